//! Any interleaving of anything.

use proptest::prelude::*;

use crate::{gate_operations, operations};

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_axis_covered_once_and_then_ends(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        operations::run(&bytes);
    }

    #[test]
    fn any_interleaving_keeps_the_fixed_maximum_and_then_grants(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        gate_operations::run(&bytes);
    }
}
