#![no_main]

#[path = "../mmsh_operations.rs"]
#[allow(dead_code)]
mod operations;

libfuzzer_sys::fuzz_target!(|data: &[u8]| operations::run(data));
