//! What a body is.

use mms_proto::wire::{BodyKind, sniff};

#[test]
fn bytes_outweigh_the_type() {
    let types = [
        "application/x-mms-framed",
        "application/vnd.ms.wms-hdr.asfv1",
        "application/octet-stream",
        "video/x-ms-asf",
        "text/html",
    ];
    for content_type in types.map(Some).into_iter().chain([None]) {
        for first in [0x24, 0xA4] {
            for kind in *b"HMDPTCE" {
                assert_eq!(sniff(content_type, &[first, kind, 0, 0]), BodyKind::Framed);
            }
        }
        assert_eq!(sniff(content_type, &[0x30, 0x26, 0xB2, 0x75]), BodyKind::Asf);
        assert_eq!(sniff(content_type, b"  <ASX version=\"3\">"), BodyKind::Playlist);
        assert_eq!(sniff(content_type, b"[Reference]\r\n"), BodyKind::Playlist);
        assert_eq!(sniff(content_type, b"<html>"), BodyKind::Other);
    }
}

#[test]
fn where_bytes_say_nothing_the_type_does() {
    for (content_type, body, kind) in [
        (Some("application/x-mms-framed"), &b""[..], BodyKind::Framed),
        (Some("application/vnd.ms.wms-hdr.asfv1"), b"\0\0\0\0", BodyKind::Framed),
        (Some("application/octet-stream"), b"\0\0\0\0", BodyKind::Other),
        (Some("video/x-ms-wvx"), b"<wvx>", BodyKind::Playlist),
        (Some("audio/x-ms-wax"), b"mms://h/f", BodyKind::Playlist),
        (Some("text/plain"), b"mms://h/f", BodyKind::Other),
        (None, b"$X\0\0", BodyKind::Other),
        (None, b"$", BodyKind::Other),
        (None, b"", BodyKind::Other),
    ] {
        assert_eq!(sniff(content_type, body), kind, "{content_type:?} {body:?}");
    }
}
