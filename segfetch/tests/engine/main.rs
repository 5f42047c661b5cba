//! The engine over sources and volumes in memory: no network, no disk, and a paused clock where time matters.

mod bounds;
mod changes;
mod crowds;
mod downloads;
mod drips;
mod failures;
mod interruptions;
mod limits;
mod pauses;
mod scheduling;
mod storage;
mod unruly;
mod world;
