//! The machines, with scripts of bytes and a clock that is an argument.

mod mmsh;
pub(crate) mod mmst;
