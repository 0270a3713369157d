#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| keyfob::fuzz::configuration(input));
