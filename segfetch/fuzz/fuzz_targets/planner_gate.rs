#![no_main]

#[path = "../../tests/plan/gate_operations.rs"]
mod gate_operations;

libfuzzer_sys::fuzz_target!(|data: &[u8]| gate_operations::run(data));
