//! Bytes from a client, through the half that parses.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ds01_fuzz::http(bytes));
