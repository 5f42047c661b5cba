//! The fuzz corpora, replayed.

use crate::corpus::replay;

#[path = "../../../fuzz/asf.rs"]
mod properties;

#[test]
fn headers_hold_on_the_corpus() {
    replay("asf_header", properties::header);
}

#[test]
fn packets_hold_on_the_corpus() {
    replay("asf_packet", properties::packet);
}
