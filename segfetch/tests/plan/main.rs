//! The planner and the gate in worlds that are made for them; all time is virtual.

mod support;
mod world;

mod corpus;
mod gate;
mod gate_operations;
mod lies;
mod lifecycle;
mod matrix;
mod operations;
mod properties;
mod simulation;
