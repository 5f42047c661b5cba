//! Remote files as readers, over sources in memory: no network, no disk, and a paused clock where time matters.

mod ordered;
mod remote;
mod remote_trouble;

mod running;
mod support;
