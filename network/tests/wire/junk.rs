//! What is no message: a typed error whatever the bytes, and one encoding for each value.

use infernet_network::wire::{HEADER_BYTES, Message, Request, Response, VERSION, WireError};
use proptest::prelude::*;

use crate::known::{again, messages};

const FAMILIES: [&str; 4] = ["request", "response", "announcement", "blob"];

/// The only good outcome other than an error: the same bytes again.
fn check(family: &str, bytes: &[u8]) {
    if let Ok((written, name)) = again(family, bytes) {
        assert_eq!(written, bytes, "{family} {name}");
    }
}

#[test]
fn every_prefix_and_every_surplus_is_refused() {
    for known in messages() {
        for len in 0..known.bytes.len() {
            let error = again(&known.family, &known.bytes[..len]).unwrap_err();
            assert_eq!(error.code(), "wire.truncated", "{} {len}", known.name);
        }
        let longer = [&known.bytes[..], &[0]].concat();
        assert_eq!(again(&known.family, &longer).unwrap_err().code(), "wire.trailing");
        // The same inside the body.
        let mut longer = longer;
        let length = (longer.len() - HEADER_BYTES) as u32;
        longer[2..6].copy_from_slice(&length.to_le_bytes());
        assert!(again(&known.family, &longer).is_err());
    }
}

#[test]
fn every_changed_byte_is_refused_or_another_value() {
    for known in messages() {
        for at in 0..known.bytes.len() {
            for value in
                [0x00, 0x01, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1f, 0x5f, 0x7f, 0x9f, 0xbf, 0xc0, 0xf6, 0xf7, 0xfb, 0xff]
            {
                let mut bytes = known.bytes.clone();
                bytes[at] = value;
                check(&known.family, &bytes);
            }
        }
    }
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION, kind];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// CBOR has many ways to say the same; one is read.
#[test]
fn second_encodings_are_refused() {
    // {"after": 1}
    let canonical = b"\xa1\x65after\x01";
    assert!(Request::from_bytes(&framed(12, canonical)).is_ok());
    let others: [&[u8]; 9] = [
        // A longer integer, a longer string length, a longer map length.
        b"\xa1\x65after\x18\x01",
        b"\xa1\x78\x05after\x01",
        b"\xb8\x01\x65after\x01",
        // Indefinite lengths.
        b"\xbf\x65after\x01\xff",
        b"\xa1\x7f\x65after\xff\x01",
        // A tag, an unknown field, a field twice, a field too few.
        b"\xa1\x65after\xc1\x01",
        b"\xa2\x65after\x01\x61x\x01",
        b"\xa2\x65after\x01\x65after\x01",
        b"\xa0",
    ];
    for other in others {
        let error = Request::from_bytes(&framed(12, other)).unwrap_err();
        assert!(["wire.not_canonical", "wire.malformed"].contains(&error.code()), "{other:?}: {error}");
    }
    // Bytes as a list of numbers, for a digest.
    let list = [&b"\xa1\x66digest\x98\x20"[..], &[0; 32]].concat();
    assert!(Request::from_bytes(&framed(14, &list)).is_err());
}

#[test]
fn headers_decide_before_bodies() {
    let code = |bytes: &[u8; HEADER_BYTES]| Request::header(bytes).map_err(|error| error.code());
    assert_eq!(code(&[2, 1, 0, 0, 0, 0]), Err("wire.version"));
    assert_eq!(code(&[1, 0, 0, 0, 0, 0]), Err("wire.kind"));
    assert_eq!(code(&[1, 18, 0, 0, 0, 0]), Err("wire.kind"));
    assert_eq!(code(&[1, 1, 1, 2, 0, 0]), Err("wire.too_large"));
    assert_eq!(code(&[1, 1, 255, 255, 255, 255]), Err("wire.too_large"));
    assert_eq!(Request::header(&[1, 1, 0, 2, 0, 0]).unwrap().body_bytes, 512);
}

#[test]
fn deep_nesting_is_refused() {
    for opener in [0x81, 0xa1, 0xc1, 0x9f, 0xbf] {
        let error = Request::from_bytes(&framed(2, &vec![opener; 16_000])).unwrap_err();
        assert_eq!(error.code(), "wire.malformed");
    }
    // Inside a field that nobody knows.
    let body = [&b"\xa2\x65after\x01\x61x"[..], &[0x81; 50]].concat();
    assert!(matches!(
        Request::from_bytes(&framed(12, &body)),
        Err(WireError::Malformed { .. } | WireError::NotCanonical { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_bytes(family in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(FAMILIES[family], &bytes);
    }

    /// A good header in front, so that the bodies are read.
    #[test]
    fn any_body(family in 0..4_usize, kind in 0..16_u8, body in prop::collection::vec(any::<u8>(), 0..400)) {
        check(FAMILIES[family], &framed(kind, &body));
    }

    /// Good messages with a few bytes changed, put in or taken out, and the length mended.
    #[test]
    fn mended_bodies(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let known = messages();
        let known = which.get(&known);
        let mut body = known.bytes[HEADER_BYTES..].to_vec();
        for (at, value, how) in changes {
            let at = at.index(body.len().max(1)).min(body.len());
            match how {
                0 if at < body.len() => body[at] = value,
                1 => body.insert(at, value),
                _ if at < body.len() => drop(body.remove(at)),
                _ => {}
            }
        }
        check(&known.family, &framed(known.bytes[1], &body));
    }

    #[test]
    fn any_refusal_comes_back(code in "[a-z0-9._]{1,64}", message in "\\PC{0,200}") {
        let refusal = Response::error(&code, message);
        prop_assert_eq!(Response::from_bytes(&refusal.to_bytes().unwrap()).unwrap(), refusal);
    }
}
