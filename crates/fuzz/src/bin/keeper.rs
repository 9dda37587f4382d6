//! Whatever the half that parses could say, to the half that decides.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ds01_fuzz::keeper(bytes));
