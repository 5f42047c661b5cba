#![no_main]

#[path = "../../tests/crash/journal_bytes.rs"]
mod journal_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| journal_bytes::run(data));
