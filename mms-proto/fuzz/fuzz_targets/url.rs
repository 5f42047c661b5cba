#![no_main]

#[path = "../mmsh_properties.rs"]
#[allow(dead_code)]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::url_holds(data));
