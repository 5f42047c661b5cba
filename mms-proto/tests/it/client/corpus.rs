//! The fuzz corpora of questions of who we are, replayed.

use super::properties;
use crate::corpus::replay;

#[test]
fn offers_hold_on_the_corpus() {
    replay("auth_offers", properties::auth_offers);
}

#[test]
fn challenges_of_ntlm_hold_on_the_corpus() {
    replay("auth_ntlm", properties::auth_ntlm);
}

#[test]
fn tokens_of_mms_hold_on_the_corpus() {
    replay("auth_mms", properties::auth_mms);
}
