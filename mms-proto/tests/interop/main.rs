//! Tests against programs that nobody here wrote. They must be installed.

mod asf;
mod live;
mod mmsh;
