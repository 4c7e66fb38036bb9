//! A reveal of arbitrary bytes, properly signed by the miner of the known bundle: every check up to the transitions.
#![no_main]

use std::sync::OnceLock;

use infernet_network::proof::{Bundle, Reveal, SignedReveal, SigningKey, check_structure};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

static BUNDLE: &[u8] = include_bytes!("../../docs/vectors/bundle.bin");

fn known() -> &'static (Bundle, SigningKey) {
    static KNOWN: OnceLock<(Bundle, SigningKey)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        // The miner of the vectors: SHA-256("miner" || 0 as u64).
        let key: [u8; 32] = Sha256::digest([b"miner".as_slice(), &[0; 8]].concat()).into();
        (Bundle::from_bytes(BUNDLE).unwrap(), SigningKey::from_bytes(&key))
    })
}

fuzz_target!(|data: &[u8]| {
    let (bundle, key) = known();
    let mut bundle = bundle.clone();
    let honest = bundle.reveal.as_ref().is_some_and(|reveal| reveal.bytes == data);
    let auditor = bundle.auditor();
    let signed = SignedReveal::sign(data.to_vec(), &bundle.commitment, auditor, &bundle.nonce, key).unwrap();
    bundle.reveal = Some(signed);
    let structure = check_structure(&bundle).unwrap();
    // One reveal only is right.
    assert_eq!(structure.opened.is_some(), honest);
    assert_eq!(structure.failure().is_none(), honest);
    assert!(structure.opened.is_none() || Reveal::from_bytes(data).is_ok());
});
