#![no_main]

#[path = "../auth_properties.rs"]
#[allow(dead_code)]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::auth_offers(data));
