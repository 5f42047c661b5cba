//! The machine under lists of operations: the fuzz corpus, replayed, and chance.

use proptest::prelude::*;

#[path = "../../../../fuzz/mmsh_operations.rs"]
mod operations;

#[test]
fn operations_hold_on_the_corpus() {
    crate::corpus::replay("mmsh_machine", operations::run);
}

proptest! {
    #[test]
    fn any_operations_hold(data in prop::collection::vec(any::<u8>(), 0..200)) {
        operations::run(&data);
    }
}
