//! Calls of the API, decided by core alone.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ds01_fuzz::calls(bytes));
