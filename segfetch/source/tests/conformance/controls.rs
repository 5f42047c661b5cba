//! The suite itself on trial: each fault breaks its sentence and no other, and no sentence is without a fault.

use std::collections::BTreeSet;

use segfetch_source::HostKey;
use segfetch_source::conformance::{MemorySource, Report, block_on, run_all};

use crate::broken::{Broken, Fault};
use crate::fixtures::Packets;

const CONTROLS: &[(Fault, &str)] = &[
    (Fault::StartsOneLate, "a_stream_starts_at_or_before_the_byte_asked_for"),
    (Fault::RefusesToStartAtOne, "streams_start_wherever_access_says"),
    (Fault::RefusesToStartAtTheLength, "a_start_at_the_length_ends_at_once"),
    (Fault::CallsAStartBeyondTransient, "a_start_beyond_the_length_is_a_typed_error"),
    (Fault::EndsAStartBeyond, "a_start_beyond_the_length_is_a_typed_error"),
    (Fault::CallsNoRangesPermanent, "a_server_that_cannot_start_there_is_range_not_supported"),
    (Fault::ExactIsOneTooFar, "exact_ends_are_kept_where_claimed"),
    (Fault::ExactIsOneShort, "exact_ends_are_kept_where_claimed"),
    (Fault::SoftIsExact, "a_soft_end_does_not_end_the_stream"),
    (Fault::StatesAWrongEnd, "a_stated_end_is_where_the_stream_ends"),
    (Fault::EndsEarly, "end_comes_at_the_end_of_the_file"),
    (Fault::RunsOnBehindTheEnd, "end_comes_at_the_end_of_the_file"),
    (Fault::OpensBeforeTheServerAnswers, "open_resolves_when_the_server_has_accepted_and_not_before"),
    (Fault::OpenedFollowsTheReader, "opened_stays_what_the_server_said"),
    (Fault::FlipsABit, "the_bytes_are_those_of_the_file"),
    (Fault::SkipsOneLess, "what_follows_a_skip_lies_behind_it"),
    (Fault::TellsOneLess, "steps_tell_exactly_how_many_bytes_were_put"),
    (Fault::PutsBytesOfAFailedRead, "steps_tell_exactly_how_many_bytes_were_put"),
    (Fault::LosesTheBytesOfADroppedRead, "a_dropped_read_loses_no_byte"),
    (Fault::PutsTheBytesOfADroppedRead, "a_dropped_read_loses_no_byte"),
    (Fault::TimesSilenceOut, "silence_in_the_body_is_left_to_the_engine"),
    (Fault::CallsACutTheEnd, "end_is_said_only_after_the_peer_confirmed"),
    (Fault::EndsWithoutConfirmation, "end_is_said_only_after_the_peer_confirmed"),
    (Fault::CallsACutPermanent, "a_bare_end_of_file_is_transient"),
    (Fault::ProbesOtherNames, "probe_is_repeatable_and_agrees_with_open"),
    (Fault::OpensOtherValidators, "probe_is_repeatable_and_agrees_with_open"),
    (Fault::GuessesTheLength, "probe_never_guesses"),
    (Fault::LearnsTheHostByProbing, "the_host_is_known_before_anybody_is_asked"),
    (Fault::FailsAsWhatItWasTold, "a_hint_of_streams_to_come_changes_nothing"),
    (Fault::NeverRecognises, "equal_content_compares_same"),
    (Fault::NoStrengthIsSame, "a_validator_of_no_strength_proves_nothing"),
    (Fault::ForeignBytesAreSame, "a_validator_of_no_strength_proves_nothing"),
    (Fault::OverlooksAChange, "a_changed_file_is_told_by_the_validator"),
    (Fault::IgnoresTheExpectation, "an_expectation_known_not_to_hold_is_changed"),
    (Fault::CallsAChangeTransient, "an_expectation_known_not_to_hold_is_changed"),
    (Fault::TellsTheSecretInDebug, "labels_debug_and_errors_hold_no_secret"),
    (Fault::TellsTheSecretInAnError, "labels_debug_and_errors_hold_no_secret"),
    (Fault::TellsTheSecretInACause, "labels_debug_and_errors_hold_no_secret"),
    (Fault::CallsMissingPermanent, "a_missing_file_is_not_found"),
    (Fault::CallsDeniedTransient, "a_refused_account_is_denied"),
    (Fault::WaitsForAFreeSession, "a_full_server_is_throttled_and_never_waited_for"),
    (Fault::CallsFullTransient, "a_full_server_is_throttled_and_never_waited_for"),
    (Fault::LeaksOnStop, "an_early_stop_gives_everything_back"),
    (Fault::LeaksOnDrop, "dropping_a_reader_is_as_good_as_stopping"),
    (Fault::LeaksOnADroppedStop, "dropping_a_stop_leaks_nothing"),
    (Fault::LeaksOnADroppedOpen, "dropping_open_or_probe_leaks_nothing"),
    (Fault::LeaksOnADroppedProbe, "dropping_open_or_probe_leaks_nothing"),
    (Fault::LeaksOnEnd, "a_finished_stream_gives_everything_back"),
    (Fault::LeaksOnError, "a_failed_stream_gives_everything_back"),
    (Fault::MixesStreams, "parallel_streams_do_not_mix"),
    (Fault::HoldGivesUp, "hold_stays_pending_while_healthy_and_consumes_nothing"),
    (Fault::HoldConsumes, "hold_stays_pending_while_healthy_and_consumes_nothing"),
    (Fault::HoldKeepsNothingAlive, "hold_stays_pending_while_healthy_and_consumes_nothing"),
    (Fault::HoldNeverResolves, "hold_resolves_when_the_session_is_lost"),
];

const LEN: u64 = 8 << 20;

fn report(fault: Fault) -> Report {
    if matches!(fault, Fault::SkipsOneLess | Fault::HoldKeepsNothingAlive) {
        // A session that dies when it is not held, and a hole that no other sentence comes across.
        return block_on(run_all(&Broken::new(Packets::with_holes(LEN, &[1_000]), fault)));
    }
    let memory = MemorySource::new(LEN).with_host(HostKey::new("memory"));
    block_on(run_all(&Broken::new(memory, fault)))
}

#[test]
fn each_fault_breaks_its_sentence_and_no_other() {
    let mut wrong = Vec::new();
    for (fault, sentence) in CONTROLS {
        let report = report(*fault);
        if report.broken() != [*sentence] {
            wrong.push(format!("{fault:?} should break {sentence}\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_a_fault_nothing_is_broken_and_nothing_left_out_but_skips() {
    let report = report(Fault::None);
    report.assert_passed();
    assert_eq!(report.not_applicable(), ["what_follows_a_skip_lies_behind_it"]);
}

#[test]
fn no_sentence_is_without_a_fault() {
    let controlled: BTreeSet<_> = CONTROLS.iter().map(|(_, sentence)| *sentence).collect();
    let sentences: BTreeSet<_> = report(Fault::None).verdicts().iter().map(|(name, _)| *name).collect();
    assert_eq!(controlled, sentences);
}
