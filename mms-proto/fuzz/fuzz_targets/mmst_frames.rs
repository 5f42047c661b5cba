#![no_main]

#[path = "../mmst_properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::frames(data));
