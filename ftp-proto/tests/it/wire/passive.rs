//! The zoos of PASV and EPSV.

use ftp_proto::wire::{Protocols, ValueRule, epsv, epsv_protocols, pasv};

use super::properties::reply_of;

#[test]
fn pasv_is_six_numbers_anywhere() {
    let table = [
        ("Entering Passive Mode (192,168,1,7,19,137).", "192.168.1.7:5001"),
        ("Entering Passive Mode (192,168,1,7,19,137)", "192.168.1.7:5001"),
        ("Entering Passive Mode 192,168,1,7,19,137.", "192.168.1.7:5001"),
        ("192,168,1,7,19,137", "192.168.1.7:5001"),
        ("=192,168,1,7,19,137", "192.168.1.7:5001"),
        ("Entering Passive Mode (192, 168, 1,7 , 19 ,137)", "192.168.1.7:5001"),
        ("Entering Passive Mode ( 192,168,1,7,19,137 )", "192.168.1.7:5001"),
        ("Entering Passive Mode [192,168,1,7,19,137]", "192.168.1.7:5001"),
        ("Mode 2, on 1,2,3: (192,168,1,7,19,137)", "192.168.1.7:5001"),
        ("Entering Passive Mode (0,0,0,0,0,1)", "0.0.0.0:1"),
        ("Entering Passive Mode (255,255,255,255,255,255)", "255.255.255.255:65535"),
        ("Entering Passive Mode (010,0,002,3,4,007)", "10.0.2.3:1031"),
        ("Entering Passive Mode (10,0,2,3,4,7", "10.0.2.3:1031"),
        ("Entering Passive Mode (10,0,2,3,4,7,", "10.0.2.3:1031"),
        ("first line\n(10,0,2,3,4,7)\nlast line", "10.0.2.3:1031"),
    ];
    for (text, address) in table {
        assert_eq!(
            pasv(&reply_of(227, text.as_bytes())).map(|address| address.to_string()).as_deref(),
            Ok(address),
            "{text}"
        );
    }
}

#[test]
fn pasv_refuses_what_is_no_address() {
    let table = [
        ("", 0, 0, ValueRule::Missing),
        ("Entering Passive Mode", 0, 0, ValueRule::Missing),
        ("Entering Passive Mode (1,2,3,4,5)", 0, 0, ValueRule::Missing),
        ("Entering Passive Mode (1,2,3,4,5,)", 0, 0, ValueRule::Missing),
        ("Entering Passive Mode (1,2,3,,4,5,6)", 0, 0, ValueRule::Missing),
        ("Entering Passive Mode (1.2.3.4.5.6)", 0, 0, ValueRule::Missing),
        ("Entering Passive Mode (::1,19,137)", 0, 0, ValueRule::Missing),
        ("1,2,3\n4,5,6", 0, 0, ValueRule::Missing),
        ("(1,2,3,4,5,6,7)", 0, 1, ValueRule::TooManyNumbers),
        ("(999,2,3,4,5,6)", 0, 1, ValueRule::OctetOutOfRange),
        ("(1,2,3,256,5,6)", 0, 1, ValueRule::OctetOutOfRange),
        ("(1,2,3,4,5,256)", 0, 1, ValueRule::OctetOutOfRange),
        ("(1,2,3,4,256,6)", 0, 1, ValueRule::OctetOutOfRange),
        ("x\n(1,2,3,4,5,99999999999999999999)", 1, 1, ValueRule::OctetOutOfRange),
        ("Entering Passive Mode (1,2,3,4,0,0)", 0, 23, ValueRule::PortOutOfRange),
    ];
    for (text, line, offset, rule) in table {
        let error = pasv(&reply_of(227, text.as_bytes())).expect_err(text);
        assert_eq!((error.line, error.offset, error.rule), (line, offset, rule), "{text}");
    }
    let error = pasv(&reply_of(200, b"(1,2,3,4,5,6)")).expect_err("another code");
    assert_eq!(error.to_string(), "reply 200, line 0, byte 0: this code does not carry the value");
}

#[test]
fn epsv_takes_any_delimiter_and_passes_over_filled_fields() {
    let table = [
        ("Entering Extended Passive Mode (|||6446|)", 6446),
        ("Entering Extended Passive Mode (!!!6446!)", 6446),
        ("Entering Extended Passive Mode (@@@1@)", 1),
        ("Entering Extended Passive Mode (|1|132.235.1.2|6275|)", 6275),
        ("Entering Extended Passive Mode (|2|1080::8:800:200C:417A|5282|)", 5282),
        ("Entering Extended Passive Mode (|||65535|", 65535),
        ("Entering Extended Passive Mode (|||06446|).", 6446),
        ("Entering (extended) passive mode (|||6446|)", 6446),
        ("(|||6446|)", 6446),
        ("((((6446()", 6446),
        ("first line\n(|||6446|)", 6446),
    ];
    for (text, port) in table {
        assert_eq!(epsv(&reply_of(229, text.as_bytes())).map(u16::from), Ok(port), "{text}");
    }
}

#[test]
fn epsv_refuses_what_is_no_port() {
    let table = [
        ("", 0, ValueRule::Missing),
        ("Entering Extended Passive Mode", 0, ValueRule::Missing),
        ("|||6446|", 0, ValueRule::Missing),
        ("(||6446|)", 0, ValueRule::Missing),
        ("(|||6446)", 0, ValueRule::Missing),
        ("(|||6446!)", 0, ValueRule::Missing),
        ("(|||-1|)", 0, ValueRule::Missing),
        ("(||||)", 0, ValueRule::Missing),
        ("(   6446 )", 0, ValueRule::Missing),
        ("(1116446 1)", 0, ValueRule::Missing),
        ("(1,2,3,4,5,6)", 0, ValueRule::Missing),
        ("(|||0|)", 1, ValueRule::PortOutOfRange),
        ("(|||65536|)", 1, ValueRule::PortOutOfRange),
        ("ok (|||70000|)", 4, ValueRule::PortOutOfRange),
        ("(|||99999999999999999999999|)", 1, ValueRule::PortOutOfRange),
    ];
    for (text, offset, rule) in table {
        let error = epsv(&reply_of(229, text.as_bytes())).expect_err(text);
        assert_eq!((error.offset, error.rule), (offset, rule), "{text}");
    }
    assert_eq!(epsv(&reply_of(227, b"(|||6446|)")).map_err(|error| error.rule), Err(ValueRule::WrongCode));
}

#[test]
fn a_522_names_the_protocols_that_would_do() {
    let protocols = |code, text: &str| epsv_protocols(&reply_of(code, text.as_bytes()));
    let (ipv4, ipv6) = (Protocols { ipv4: true, ipv6: false }, Protocols { ipv4: false, ipv6: true });
    assert_eq!(protocols(522, "Network protocol not supported, use (1,2)"), Protocols { ipv4: true, ipv6: true });
    assert_eq!(protocols(522, "Network protocol 2 not supported (RFC 2428), use (1)"), ipv4);
    assert_eq!(protocols(522, "use (2)"), ipv6);
    assert_eq!(protocols(522, "use (12,21)"), Protocols::default());
    assert_eq!(protocols(522, "SSL connection failed: session reuse required"), Protocols::default());
    assert_eq!(protocols(229, "(1,2)"), Protocols::default());
}
