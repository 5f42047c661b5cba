//! The planner and the gate in worlds that are made for them; all time is virtual.

mod setting;
mod support;
mod world;

mod automatic;
mod challenge;
mod corpus;
mod edges;
mod gate;
mod gate_operations;
mod lies;
mod lifecycle;
mod matrix;
mod operations;
mod properties;
mod relief;
mod simulation;
