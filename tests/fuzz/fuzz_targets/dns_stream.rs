//! Any bytes as a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = enforcer_fuzz::run("dns_stream", bytes);
});
