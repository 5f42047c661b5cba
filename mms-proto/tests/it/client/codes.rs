//! Every code that servers were seen to say no with, and what comes of it.

use mms_proto::client::{ErrorClass, ReadError};
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Server, Step, When};

use super::{PATH, client, playing};
use ErrorClass::{Denied, NotFound, Permanent, Transient, Unknown};

const BUSY: ErrorClass = ErrorClass::Busy { retry_after: None };

/// A code, what it means in place of an answer, and what at the end of a stream: `None` is an end in good order.
pub(crate) const CODES: [(u32, ErrorClass, Option<ErrorClass>); 31] = [
    (0x8000_FFFF, Transient, Some(Transient)),
    (0x8007_0002, NotFound, Some(NotFound)),
    (0x8007_0003, NotFound, Some(NotFound)),
    (0x8007_0005, Denied, Some(Denied)),
    (0x8007_0057, Transient, Some(Transient)),
    (0xC00D_0005, Transient, Some(Transient)),
    (0xC00D_0006, Transient, Some(Transient)),
    (0xC00D_000C, Permanent, Some(Transient)),
    (0xC00D_000E, BUSY, Some(BUSY)),
    (0xC00D_000F, BUSY, Some(BUSY)),
    (0xC00D_0012, Permanent, Some(Transient)),
    (0xC00D_0013, Transient, Some(Transient)),
    (0xC00D_0014, Transient, Some(Transient)),
    (0xC00D_0015, Transient, Some(Transient)),
    (0xC00D_001A, NotFound, Some(NotFound)),
    (0xC00D_001C, Permanent, Some(Permanent)),
    (0xC00D_0020, Transient, Some(Transient)),
    (0xC00D_0025, BUSY, Some(BUSY)),
    (0xC00D_0026, Permanent, Some(Permanent)),
    (0xC00D_0028, Transient, Some(Transient)),
    (0xC00D_0029, Transient, Some(Transient)),
    (0xC00D_002B, Transient, Some(Transient)),
    (0xC00D_002C, BUSY, Some(BUSY)),
    (0xC00D_002F, Permanent, Some(Permanent)),
    (0xC00D_0030, BUSY, Some(BUSY)),
    (0xC00D_0031, BUSY, Some(BUSY)),
    (0xC00D_0033, Transient, None),
    (0xC00D_0034, Transient, None),
    (0xC00D_0035, Permanent, Some(Permanent)),
    (0x000D_2F09, Unknown, None),
    (0x400D_14BE, Unknown, None),
];

const FAILED: u32 = 0x8000_0000;

fn film() -> Film {
    Film::generated(6, 4)
}

#[tokio::test]
async fn in_place_of_an_answer_each_has_its_class_and_remarks_have_none() {
    let server = Server::builder().film(PATH, film()).start().unwrap();
    // Vendors may set bit 29.
    for (code, class) in CODES.into_iter().flat_map(|(code, class, _)| [(code, class), (code | 0x2000_0000, class)]) {
        for step in [Step::OpenFile, Step::StartPlaying] {
            server.clear_faults();
            server.fault(When::Nth(1), Fault::Refused(step, code));
            match playing(&client(&server, "mmst"), 3).await {
                Ok(_) => assert_eq!(code & FAILED, 0, "{code:#x} at {step:?}"),
                Err(error) => {
                    assert_eq!((error.class(), code & FAILED), (class, FAILED), "{code:#x} at {step:?}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn at_the_end_of_a_stream_each_has_its_class_and_remarks_have_none() {
    let server = Server::builder().film(PATH, film()).start().unwrap();
    for (code, _, expected) in CODES {
        server.set_habits(Habits::default().at_end(AtEnd::Tell).end_reason(code));
        for scheme in ["mmst", "mmsh"] {
            let mut session = playing(&client(&server, scheme), 5).await.unwrap();
            assert_eq!(session.read().await.unwrap().expect("a packet").location, 5);
            let ended = session.read().await;
            assert!(!matches!(ended, Ok(Some(_))), "{code:#x} by {scheme}: {ended:?}");
            assert_eq!(ended.as_ref().err().map(ReadError::class), expected, "{code:#x} by {scheme}: {ended:?}");
        }
    }
}
