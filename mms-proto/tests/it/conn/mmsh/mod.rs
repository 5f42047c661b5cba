//! MMSH.

mod adversary;
mod challenges;
mod corpus;
mod cuts;
mod deadlines;
mod dialogue;
mod fixtures;
mod memory;
mod reasons;
mod refusals;
pub(crate) mod script;
