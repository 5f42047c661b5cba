//! What survives: the store under crashes, failing disks, damaged files, and in plain use.

#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges are what is compared")]

mod check;
mod crash;
mod damage;
mod faults;
mod job;
mod journal;
mod journal_bytes;
mod lengths;
mod moments;
mod sim;
mod store;
