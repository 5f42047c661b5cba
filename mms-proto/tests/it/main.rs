//! All tests that need no server, in one binary.

mod asf;
