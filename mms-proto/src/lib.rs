#![doc = include_str!("../README.md")]

pub mod asf;
pub mod conn;
pub mod wire;
