//! Small signed messages, the job and the verdict; the first byte chooses.
#![no_main]

use infernet_network::proof::group::{MemberCommitment, Shipment};
use infernet_network::proof::{Challenge, Commitment, JobSpec, Pledge, Signed, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let again = match kind % 7 {
        0 => JobSpec::from_bytes(bytes).map(|value| value.to_bytes()),
        1 => Signed::<Challenge>::from_bytes(bytes).map(|value| value.to_bytes()),
        2 => Signed::<Pledge>::from_bytes(bytes).map(|value| value.to_bytes()),
        3 => Signed::<Commitment>::from_bytes(bytes).map(|value| value.to_bytes()),
        4 => Signed::<Verdict>::from_bytes(bytes).map(|value| value.to_bytes()),
        5 => Signed::<MemberCommitment>::from_bytes(bytes).map(|value| value.to_bytes()),
        _ => Signed::<Shipment>::from_bytes(bytes).map(|value| value.to_bytes()),
    };
    if let Ok(again) = again {
        assert_eq!(again, bytes);
    }
});
