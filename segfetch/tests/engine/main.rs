//! The engine over sources and volumes in memory: no network, no disk, and a paused clock where time matters.

mod ahead;
mod bounds;
mod changes;
mod crowds;
mod digests;
mod downloads;
mod drips;
mod events;
mod failures;
mod interruptions;
mod limits;
mod pauses;
mod scheduling;
mod storage;
mod texts;
mod unruly;
mod world;
