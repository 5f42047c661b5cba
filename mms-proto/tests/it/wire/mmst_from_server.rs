//! What servers say.

use mms_proto::wire::mmst::{LinkMacToViewer, StreamChange, decode_text};
use mms_proto::wire::{Blame, Hresult};

use crate::conn::mmst::server;

/// Without its TcpMessageHeader.
fn decode(frame: &[u8]) -> LinkMacToViewer {
    LinkMacToViewer::decode(&frame[32..]).unwrap()
}

#[test]
fn each_message_is_read() {
    use LinkMacToViewer as M;
    assert_eq!(decode(&server::funnel()), M::ReportConnectedFunnel(Ok(())));
    assert_eq!(decode(&server::refused(3, 0xC00D_000C)), M::ReportDisconnectedFunnel(Hresult(0xC00D_000C)));
    assert_eq!(decode(&server::started(9)), M::ReportStartedPlaying(Ok(9)));
    assert_eq!(decode(&server::message(server::STRIDING, &[0; 28])), M::ReportStartStriding(Ok(0)));
    assert_eq!(decode(&server::read_block(2)), M::ReportReadBlock(Ok(())));
    assert_eq!(decode(&server::funnel_info(0xABCD)), M::ReportFunnelInfo(Ok(0xABCD)));
    assert_eq!(decode(&server::ping(3, 4)), M::Ping(3, 4));
    assert_eq!(decode(&server::end(1, 9)), M::ReportEndOfStream { reason: Hresult::FALSE, incarnation: 9 });
    let change = StreamChange { packet_size: 1600, header_size: 600, bit_rate: 64_000 };
    assert_eq!(decode(&server::change(600)), M::ReportStreamChange(Ok(change)));
    assert_eq!(decode(&server::switched()), M::ReportStreamSwitch(Ok(())));
    assert_eq!(decode(&server::redirect("mms://x/y")), M::ReportRedirect("mms://x/y".to_owned()));
    assert_eq!(decode(&server::redirect_of(2, "mms://p")), M::ReportRedirectToProxy("mms://p".to_owned()));
    assert_eq!(decode(&server::message(0x99, &[])), M::Unknown(0x0004_0099));
    let M::SecurityChallenge(challenge) = decode(&server::challenge(1, 2, b"token")) else { panic!() };
    assert_eq!((challenge.incarnation, challenge.cookie, &challenge.token[..]), (1, 2, &b"token"[..]));
    let M::ReportConnectedEX(Ok(connected)) = decode(&server::connected_as("4.1.0.3928", "NTLM")) else { panic!() };
    assert_eq!(connected.server_version, "4.1.0.3928");
    assert_eq!(connected.authentication_package, "NTLM");
}

/// What is read, and what cannot be, is called by the same name.
#[test]
fn each_message_has_the_name_of_the_specification() {
    let all = [
        (server::connected(), "ReportConnectedEX"),
        (server::opened(server::File::default()), "ReportOpenFile"),
        (server::funnel_info(1), "ReportFunnelInfo"),
        (server::challenge(1, 2, b"token"), "SecurityChallenge"),
        (server::end(0, 9), "ReportEndOfStream"),
        (server::change(600), "ReportStreamChange"),
        (server::redirect("mms://x/y"), "ReportRedirect"),
    ];
    for (frame, name) in all {
        assert_eq!(decode(&frame).name(), name);
        assert_eq!(LinkMacToViewer::decode(&frame[32..41]).expect_err(name).what, name);
    }
    assert_eq!(decode(&server::ping(3, 4)).name(), "Ping");
    assert_eq!(LinkMacToViewer::decode(&server::ping(3, 4)[32..41]).expect_err("cut").what, "message");
}

#[test]
fn the_file_is_described() {
    let LinkMacToViewer::ReportOpenFile(Ok(file)) = decode(&server::opened(server::File::default())) else { panic!() };
    assert_eq!((file.open_file_id, file.attributes), (server::FILE_ID, 0x0180_0000));
    assert_eq!((file.packet_size, file.packet_count), (3200, server::PACKETS));
    assert_eq!((file.bit_rate, file.header_size), (32_000, server::HEADER_LEN as u32));
}

#[test]
fn a_duration_that_is_none_is_none() {
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, -0.0] {
        let mut frame = server::opened(server::File::default());
        frame[64..72].copy_from_slice(&seconds.to_le_bytes());
        let LinkMacToViewer::ReportOpenFile(Ok(file)) = decode(&frame) else { panic!() };
        assert_eq!(file.duration, None, "{seconds}");
    }
}

/// Any message, cut anywhere: read, or an error that says where. After a "no", nothing else is needed.
#[test]
fn every_cut_is_read_or_refused() {
    let all = [
        server::connected_as("9.01", "BASIC"),
        server::funnel(),
        server::opened(server::File::default()),
        server::started(9),
        server::end(0, 9),
        server::challenge(1, 2, &[7; 50]),
        server::change(600),
        server::redirect("mms://x/y"),
        server::funnel_info(1),
        server::ping(1, 2),
    ];
    for frame in all {
        let message = &frame[32..];
        let least = (0..=message.len()).find(|end| LinkMacToViewer::decode(&message[..*end]).is_ok()).unwrap();
        for end in 0..=message.len() {
            match LinkMacToViewer::decode(&message[..end]) {
                Ok(_) => assert!(end >= least),
                Err(error) => assert!(end < least && error.offset <= end, "{error} at {end}"),
            }
        }
        assert!(least >= 16 || least == 12, "{least}");
    }
    for command in [1, 2, 3, 5, 6, 0x0A, 0x11, 0x15, 0x20, 0x21] {
        let refused = server::refused(command, 0xC00D_001A);
        assert!(LinkMacToViewer::decode(&refused[32..44]).is_ok(), "{command:#x}");
    }
}

/// The lengths of strings are the server's, and wrong ones cost no session.
#[test]
fn strings_are_clipped_to_what_is_there() {
    for wrong in [14_u32, 1000, 0x8000_0000, u32::MAX] {
        for at in [80, 84, 88, 92] {
            let mut frame = server::connected_as("9.01.01.3841", "NTLM");
            frame[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
            assert!(matches!(decode(&frame), LinkMacToViewer::ReportConnectedEX(Ok(_))));
        }
    }
    let mut frame = server::redirect("mms://x/y");
    frame[46..48].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(decode(&frame), LinkMacToViewer::ReportRedirect("mms://x/y".to_owned()));
    let mut frame = server::challenge(1, 2, &[7; 50]);
    frame[48..52].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(LinkMacToViewer::decode(&frame[32..]).is_err(), "but half a token is none");
}

#[test]
fn text_is_read_whatever_it_is() {
    assert_eq!(decode_text(b"a\0b\0\0\0c\0"), "ab");
    assert_eq!(decode_text(b"a\0b\0c"), "ab", "half a unit");
    assert_eq!(decode_text(b"\x3C\xD8\xB5\xDF"), "\u{1F3B5}", "a pair of surrogates");
    assert_eq!(decode_text(b"\x00\xD8a\0"), "\u{FFFD}a", "a lone surrogate");
    assert_eq!(decode_text(b"a\0\x00\xDC"), "a\u{FFFD}");
    assert_eq!(decode_text(b""), "");
}

/// What a caller does about each code that servers were seen to send; vendors may set bit 29.
#[test]
fn each_failure_has_its_blame() {
    let table = [
        (Blame::Denied, &[0x8007_0005_u32][..]),
        (Blame::NotFound, &[0x8007_0002, 0x8007_0003, 0xC00D_001A]),
        (Blame::Dialogue, &[0x8007_0057, 0xC00D_0020, 0xC00D_002B]),
        (Blame::Busy, &[0xC00D_000E, 0xC00D_000F, 0xC00D_0025, 0xC00D_002C, 0xC00D_0030, 0xC00D_0031]),
        (Blame::Transport, &[0xC00D_000C, 0xC00D_0012]),
        (Blame::End, &[0xC00D_0033, 0xC00D_0034]),
        (Blame::Permanent, &[0xC00D_001C, 0xC00D_0026, 0xC00D_002F, 0xC00D_0035]),
        (Blame::Transient, &[0x8000_FFFF, 0xC00D_0005, 0xC00D_0006, 0xC00D_0013, 0xC00D_0014, 0xC00D_0015]),
        (Blame::Transient, &[0xC00D_0028, 0xC00D_0029]),
        (Blame::Unknown, &[0xFFFF_FFFF, 0x8765_4321]),
    ];
    for (blame, codes) in table {
        for code in codes {
            let refused = decode(&server::refused(server::OPENED, *code));
            let LinkMacToViewer::ReportOpenFile(Err(reason)) = refused else { panic!("{code:#x} is a failure") };
            assert_eq!((reason.0, reason.blame()), (*code, Some(blame)), "{code:#x}");
            assert_eq!(Hresult(code | 0x2000_0000).blame(), Some(blame), "{code:#x}");
        }
    }
    for fine in [0, 1, 0x000D_2F09, 0x400D_14BE] {
        assert_eq!(Hresult(fine).blame(), None);
    }
}
