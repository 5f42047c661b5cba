//! What a server says of itself and of a file.

use std::time::Duration;

use mms_proto::wire::{Features, ServerPragmas};

fn noted(lines: &[&str]) -> ServerPragmas {
    let mut pragmas = ServerPragmas::default();
    lines.iter().for_each(|line| pragmas.note(line));
    pragmas
}

#[test]
fn tokens_may_be_on_one_line_or_on_several() {
    let one = noted(&[
        "no-cache,client-id=1234,features=\"seekable,stridable\",timeout=60000,playlist-gen-id=7, xResetStrm=1",
    ]);
    let several = noted(&[
        "no-cache",
        "Client-ID = 1234 ",
        "FEATURES=\"Seekable, stridable\"",
        "timeout=60000",
        "playlist-gen-id=7",
        "xResetStrm=1",
    ]);
    assert_eq!(one, several);
    assert_eq!(
        (one.client_id, one.timeout, one.playlist_gen_id, one.reset),
        (Some(1234), Some(Duration::from_secs(60)), Some(7), true)
    );
    let features = one.features.unwrap();
    assert!(features.seekable && features.stridable && !features.broadcast);
}

#[test]
fn every_feature_has_its_name() {
    let name = |list: &str| format!("{:?}", Features::decode(list));
    for (word, field) in [
        ("broadcast", "broadcast"),
        ("live", "live"),
        ("playlist", "playlist"),
        ("last", "last"),
        ("seekable", "seekable"),
        ("stridable", "stridable"),
        ("skipforward", "skip_forward"),
        ("skipbackward", "skip_backward"),
    ] {
        assert_eq!(name(word).matches("true").count(), 1, "{word}");
        assert!(name(word).contains(&format!("{field}: true")), "{word}");
    }
    assert_eq!(Features::decode("\"unknown\""), Features::default());
}

#[test]
fn numbers_are_read_as_far_as_they_are_digits() {
    assert_eq!(noted(&["client-id=29908junk"]).client_id, Some(29908));
    assert_eq!(noted(&["client-id=-884527728"]).client_id, None);
    assert_eq!(noted(&["client-id=4294967296"]).client_id, None);
    assert_eq!(noted(&["timeout="]).timeout, None);
    assert_eq!(noted(&["", ",", "=", "features=\"open", "\"", "x-unknown=1"]).features, Some(Features::decode("open")));
}

#[test]
fn metadata_is_read_up_to_its_first_zero() {
    let mut pragmas = noted(&["client-id=5"]);
    pragmas.note_metadata(b"playlist-gen-id=1, broadcast-id=2, features=\"seekable,playlist\"\0client-id=6");
    assert_eq!((pragmas.client_id, pragmas.playlist_gen_id), (Some(5), Some(1)));
    assert!(pragmas.features.is_some_and(|features| features.seekable && features.playlist));
}

#[test]
fn a_quote_behind_a_backslash_ends_nothing() {
    assert_eq!(noted(&[r#"x="a\", client-id=1, ", timeout=5, client-id=2"#]).client_id, Some(2));
    assert_eq!(noted(&[r#"x="a, client-id=1\\", client-id=3"#]).client_id, Some(3));
    assert_eq!(noted(&[r"x=\, client-id=4"]).client_id, Some(4), "out of quotes it means nothing");
}
