//! Playlists, as they are found.

use mms_proto::wire::{Url, playlist};

#[test]
fn an_asx_gives_its_urls_in_order() {
    let asx = "\u{feff}<?xml version=\"1.0\"?>\n<ASX Version = \"3.0\">\n<Title>A & B <b></Title>\n\
        <!-- <Ref href=\"mms://commented/out\"/> -->\n\
        <Entry><REF\n HREF = \"mms://one/a.asf?x=1&amp;y=2\" /><ref href='http://two/b&c;.wmv'></Entry>\n\
        <entry><Ref title=\"x > y\" href=\"  mms://three/&#x41;&#66;&quot;&lt;&gt;&apos;.asf  \"></Entry>\n\
        <EntryRef href=four.asx/><Reference href=\"mms://no/\"/><ref nohref=\"mms://no/\" /><ref/>\n\
        <Ref href=\"mms://five/unclosed\n<ref HREF=mms://six/plain>\n";
    let expected = [
        "mms://one/a.asf?x=1&y=2",
        "http://two/b&c;.wmv",
        "mms://three/AB\"<>'.asf",
        "four.asx",
        "mms://five/unclosed",
        "mms://six/plain",
    ];
    assert_eq!(playlist(asx.as_bytes()).unwrap(), expected);
}

#[test]
fn the_older_form_is_read_by_number() {
    let ini = "[Reference]\r\nRef2=http://192.0.2.1:80/f?MSWMExt=.asf\r\nREF1 = http://h/f?MSWMExt=.asf\r\nRefx=no\r\nref3=\r\n";
    assert_eq!(playlist(ini.as_bytes()).unwrap(), ["http://h/f?MSWMExt=.asf", "http://192.0.2.1:80/f?MSWMExt=.asf"]);
    assert_eq!(playlist(b"[reference]").unwrap(), Vec::<String>::new());
}

#[test]
fn encodings_are_told() {
    let asx = "<asx><ref href=\"mms://h/é.asf\"/></asx>";
    let utf16: Vec<u8> = [0xFEFF].into_iter().chain(asx.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = asx.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    for bytes in [asx.as_bytes(), &utf16, &latin] {
        assert_eq!(playlist(bytes).unwrap(), ["mms://h/é.asf"]);
    }
}

#[test]
fn a_quote_that_is_not_closed_ends_before_the_next_element() {
    let asx = "<asx><ref href=\"mms://one/<ref href='mms://two/'><ref href=\"mms://three/\">";
    assert_eq!(playlist(asx.as_bytes()).unwrap(), ["mms://one/", "mms://two/", "mms://three/"]);
    let asx = "<asx><ref title=\"one's\"> href='mms://text/' <ref href='mms://two/'>";
    assert_eq!(playlist(asx.as_bytes()).unwrap(), ["mms://two/"], "and one that is closed at its end");
}

#[test]
fn other_things_are_no_playlist() {
    for body in [&b""[..], b"<html><a href=\"mms://h/f\"></html>", b"mms://h/f", b"#EXTM3U", b"0&\xb2u", b"\xff\xfe<"] {
        assert_eq!(playlist(body).expect_err("no playlist").rule, "neither <asx> nor [Reference]");
    }
}

#[test]
fn a_playlist_is_bounded() {
    let many = format!("<asx>{}", "<ref href=\"mms://h/f\"/>".repeat(5000));
    assert_eq!(playlist(many.as_bytes()).unwrap().len(), 1000);
    let many = format!("[Reference]\n{}", "Ref1=mms://h/f\n".repeat(5000));
    assert_eq!(playlist(many.as_bytes()).unwrap().len(), 1000);
    let long = format!("<asx><ref href=\"{}\"/><ref href=\"mms://h\"/>", "a".repeat(Url::MAX_LEN + 1));
    assert_eq!(playlist(long.as_bytes()).unwrap(), ["mms://h"]);
}

#[test]
fn every_cut_is_survived() {
    let asx = "<asx><!-- x --><Ref a='b' HREF = \"mms://h/&amp;&#x41;\" /><ref href=mms://i/></asx>";
    for cut in 0..asx.len() {
        let _ = playlist(&asx.as_bytes()[..cut]);
        let urls = playlist(format!("<asx>{}", &asx[cut..]).as_bytes()).unwrap();
        assert!(urls.len() <= 2);
    }
}
