//! Any list of operations, as the fuzzer makes them.

#[path = "../../../../fuzz/mmst_operations.rs"]
mod run;

use proptest::prelude::*;

use super::server;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_list_of_operations(data in prop::collection::vec(any::<u8>(), 0..300)) {
        run::run(&data);
    }
}

pub(crate) fn run(data: &[u8]) {
    run::run(data);
}
