#![no_main]

#[path = "../mmst_operations.rs"]
mod operations;
#[path = "../../tests/it/conn/mmst/server.rs"]
#[allow(dead_code)]
mod server;

libfuzzer_sys::fuzz_target!(|data: &[u8]| operations::run(data));
