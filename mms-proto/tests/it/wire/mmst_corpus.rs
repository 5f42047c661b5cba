//! The fuzz corpora of MMST, replayed.

use crate::conn::mmst::operations;
use crate::corpus::replay;

#[path = "../../../fuzz/mmst_properties.rs"]
mod properties;

#[test]
fn frames_hold_on_the_corpus() {
    replay("mmst_frames", properties::frames);
}

#[test]
fn the_machine_holds_on_the_corpus() {
    replay("mmst_machine", operations::run);
}

mod any {
    use proptest::prelude::*;

    proptest! {
        /// Noise, and noise behind the beginning of something.
        #[test]
        fn bytes_are_framed_or_refused(
            begins in prop::sample::select(vec![
                &b""[..],
                b"\x01\0\0\0\xCE\xFA\x0B\xB0",
                b"\x01\0\0\0\xCE\xFA\x0B\xB0\x40\0\0\0MMS ",
                b"\x01\0\0\0\xCE\xFA\x0B\xB0\x20\0\0\0MMS \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0",
            ]),
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            super::properties::frames(&[begins, &data].concat());
        }
    }
}
