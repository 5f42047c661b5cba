//! The machine under operation lists: those of the fuzzing corpus, and any that proptest thinks of.

use proptest::prelude::*;

#[path = "../../../fuzz/operations.rs"]
mod world;

#[test]
fn the_fuzzing_corpus_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/control_machine");
    let mut replayed = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        world::run(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 8, "{corpus} has {replayed} files");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_list_of_operations_holds(data in proptest::collection::vec(any::<u8>(), 0..160)) {
        world::run(&data);
    }

    /// Most random lists fail at the login; these begin behind it.
    #[test]
    fn any_list_of_operations_of_a_session_holds(data in proptest::collection::vec(any::<u8>(), 0..160)) {
        let login = [0, 0, 0, 0, 3, 0, 2, 0, 7, 0, 9];
        world::run(&[&login[..], &data].concat());
    }

    /// A transfer under way.
    #[test]
    fn any_list_of_operations_of_a_transfer_holds(start in any::<u8>(), data in proptest::collection::vec(any::<u8>(), 0..80)) {
        let armed = [0, 0, 0, 0, 3, 0, 2, 0, 7, 0, 9, 11, 0, 0, 10, 0, 11, 0, 15, 0, 12, 12, start & 0xfd];
        world::run(&[&armed[..], &data].concat());
    }
    /// A transfer on a connection that was made in advance, or is being made.
    #[test]
    fn any_list_of_operations_of_a_transfer_at_once_holds(
        connected in any::<bool>(),
        start in any::<u8>(),
        data in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let connecting = [0, 0, 0, 0, 3, 0, 2, 0, 7, 0, 9, 14, 0, 0, 12];
        let connected: &[u8] = if connected { &[4, 0] } else { &[] };
        world::run(&[&connecting[..], connected, &[15, start], &data].concat());
    }
}
