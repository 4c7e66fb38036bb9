#![no_main]

use infernet_network::proof::Reveal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = Reveal::from_bytes(data) {
        assert_eq!(value.to_bytes(), data);
    }
});
