//! What the reason of an end means: to whom it is due, and what may help.

use mms_proto::conn::Event;
use mms_proto::wire::{Blame, Hresult};

use super::script::{HEAD, Script, answer, end, header};

/// Codes that servers are known to send.
const REASONS: &[(u32, Option<Blame>)] = &[
    (0x0000_0000, None),
    (0x0000_0001, None),
    (0x0000_0002, None),
    (0x000D_2F09, None),
    (0x400D_14BE, None),
    (0x8000_FFFF, Some(Blame::Transient)),
    (0x8007_0002, Some(Blame::NotFound)),
    (0x8007_0003, Some(Blame::NotFound)),
    (0x8007_0005, Some(Blame::Denied)),
    (0x8007_0057, Some(Blame::Dialogue)),
    (0xC00D_0005, Some(Blame::Transient)),
    (0xC00D_0006, Some(Blame::Transient)),
    (0xC00D_000C, Some(Blame::Transport)),
    (0xC00D_000E, Some(Blame::Busy)),
    (0xC00D_000F, Some(Blame::Busy)),
    (0xC00D_0012, Some(Blame::Transport)),
    (0xC00D_0013, Some(Blame::Transient)),
    (0xC00D_0014, Some(Blame::Transient)),
    (0xC00D_0015, Some(Blame::Transient)),
    (0xC00D_001A, Some(Blame::NotFound)),
    (0xC00D_001C, Some(Blame::Permanent)),
    (0xC00D_0020, Some(Blame::Dialogue)),
    (0xC00D_0025, Some(Blame::Busy)),
    (0xC00D_0026, Some(Blame::Permanent)),
    (0xC00D_0028, Some(Blame::Transient)),
    (0xC00D_0029, Some(Blame::Transient)),
    (0xC00D_002B, Some(Blame::Dialogue)),
    (0xC00D_002C, Some(Blame::Busy)),
    (0xC00D_002F, Some(Blame::Permanent)),
    (0xC00D_0030, Some(Blame::Busy)),
    (0xC00D_0031, Some(Blame::Busy)),
    (0xC00D_0033, Some(Blame::End)),
    (0xC00D_0034, Some(Blame::End)),
    (0xC00D_0035, Some(Blame::Permanent)),
    (0xE00D_000F, Some(Blame::Busy)),
    (0xC00D_FFFF, Some(Blame::Unknown)),
];

#[test]
fn every_reason_is_passed_on_with_what_may_help() {
    for &(code, blame) in REASONS {
        let mut script = Script::playing();
        script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), end(code)]));
        let reason = Hresult(code);
        assert_eq!(script.trace.events[3..], [Event::Ended { reason, more: code == 1 }], "{reason}");
        assert_eq!(reason.blame(), blame, "{reason}");
        assert_eq!((script.trace.error.clone(), script.trace.closed), (None, code != 1));
    }
}
