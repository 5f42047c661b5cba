//! What servers say went wrong.

use mms_proto::wire::{Blame, Hresult};

#[test]
fn known_failures_have_words_and_somebody_to_blame() {
    let cases = [
        (0xC00D_0035, "server not found", Blame::Permanent),
        (0xC00D_0031, "limit of open files reached", Blame::Busy),
        (0xC00D_0034, "end of the stream", Blame::End),
    ];
    for (code, name, blame) in cases {
        // With and without the bit of vendors.
        for code in [code, code | 0x2000_0000] {
            let result = Hresult(code);
            assert!(result.is_failure());
            assert_eq!((result.name(), result.blame()), (Some(name), Some(blame)));
            assert_eq!(result.to_string(), format!("{name} ({code:#010x})"));
        }
    }
}

#[test]
fn other_codes_are_shown_as_they_are() {
    let result = Hresult(0x8123_4567);
    assert_eq!((result.is_failure(), result.name(), result.blame()), (true, None, Some(Blame::Unknown)));
    assert_eq!((result.to_string(), format!("{result:?}")), ("code 0x81234567".into(), "Hresult(0x81234567)".into()));
    for result in [Hresult::OK, Hresult::FALSE, Hresult(0x7FFF_FFFF)] {
        assert_eq!((result.is_failure(), result.name(), result.blame()), (false, None, None), "{result}");
    }
}
