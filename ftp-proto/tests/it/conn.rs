//! The control machine: dialogues in virtual time.

mod adversary;
mod dialogue;
mod login;
mod operations;
mod passive;
mod paths;
mod prearm;
mod retire;
pub(crate) mod script;
mod transfer;
