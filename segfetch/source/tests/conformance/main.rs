//! The conformance suite, tried on sources that keep the contract and on sources that break it.

mod broken;
mod controls;
mod fixtures;
mod forwarding;
mod healthy;
mod scripts;
