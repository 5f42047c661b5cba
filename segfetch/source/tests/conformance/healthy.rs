//! Every sentence, as a test, on the sources that keep the contract.

use segfetch_source::conformance::{MemorySource, block_on, run_all};
use segfetch_source::{Access, Extent, Validator};

use crate::fixtures::Packets;

mod memory {
    use segfetch_source::conformance::{MemorySource, block_on};
    segfetch_source::conformance_tests! { fixture: MemorySource::new(8 << 20), runner: block_on }
}

mod memory_of_a_tebibyte {
    use segfetch_source::conformance::{MemorySource, block_on};
    segfetch_source::conformance_tests! { fixture: MemorySource::new((1 << 40) + 7).with_chunk(777), runner: block_on }
}

mod packets {
    use crate::fixtures::Packets;
    use segfetch_source::conformance::block_on;
    segfetch_source::conformance_tests! { fixture: Packets::new(1_000_001), runner: block_on }
}

const HOST: &str = "the_host_is_known_before_anybody_is_asked";

#[test]
fn only_what_a_source_does_not_claim_is_not_applicable() {
    let memory = block_on(run_all(&MemorySource::new(1 << 20)));
    memory.assert_passed();
    assert_eq!(
        memory.not_applicable(),
        ["what_follows_a_skip_lies_behind_it", HOST, "labels_debug_and_errors_hold_no_secret"]
    );

    let packets = block_on(run_all(&Packets::new(1 << 20)));
    packets.assert_passed();
    let not_applicable = [
        "exact_ends_are_kept_where_claimed",
        "a_stated_end_is_where_the_stream_ends",
        HOST,
        "labels_debug_and_errors_hold_no_secret",
    ];
    assert_eq!(packets.not_applicable(), not_applicable);
}

#[test]
fn a_source_that_only_starts_at_0_and_knows_nothing_of_its_file_passes() {
    let source = MemorySource::new(1 << 20).with_info(|mut info| {
        (info.access, info.extent, info.validator) = (Access::FromStartOnly, Extent::Unknown, Validator::none());
        info.with_exact_ends(false)
    });
    let report = block_on(run_all(&source));
    report.assert_passed();
    assert_eq!(report.not_applicable().len(), 10, "{report}");
}

#[test]
fn a_server_of_one_session_passes() {
    let report = block_on(run_all(&MemorySource::new(1 << 20).with_session_limit(1, Some(1))));
    report.assert_passed();
    assert!(report.not_applicable().contains(&"parallel_streams_do_not_mix"), "{report}");
}
