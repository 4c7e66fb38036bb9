#![no_main]

use infernet_network::proof::Bundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = Bundle::from_bytes(data) {
        assert_eq!(value.to_bytes(), data);
    }
});
