//! Any byte string gives a typed error, or a value that is written back to the same bytes.

use std::sync::OnceLock;

use infernet_network::proof::group::{MemberCommitment, Shipment};
use infernet_network::proof::{
    Bundle, Challenge, Commitment, CommitmentScheme, DecodeError, Evidence, JobSpec, Pledge, Reveal, Signable, Signed,
    Verdict,
};
use proptest::prelude::*;

use super::world::{DPM, EULER, Options, World};

type Decode = fn(&[u8]) -> Result<Vec<u8>, DecodeError>;

/// Every decoder, each with its encoder.
const DECODERS: &[(&str, Decode)] = &[
    ("job", |bytes| JobSpec::from_bytes(bytes).map(|value| value.to_bytes())),
    ("challenge", |bytes| Signed::<Challenge>::from_bytes(bytes).map(|value| value.to_bytes())),
    ("pledge", |bytes| Signed::<Pledge>::from_bytes(bytes).map(|value| value.to_bytes())),
    ("commitment", |bytes| Signed::<Commitment>::from_bytes(bytes).map(|value| value.to_bytes())),
    ("reveal", |bytes| Reveal::from_bytes(bytes).map(|value| value.to_bytes())),
    ("verdict", |bytes| Signed::<Verdict>::from_bytes(bytes).map(|value| value.to_bytes())),
    ("bundle", |bytes| Bundle::from_bytes(bytes).map(|value| value.to_bytes())),
    ("evidence", |bytes| Evidence::from_bytes(bytes).map(|value| value.to_bytes())),
    ("member commitment", |bytes| Signed::<MemberCommitment>::from_bytes(bytes).map(|value| value.to_bytes())),
    ("shipment", |bytes| Signed::<Shipment>::from_bytes(bytes).map(|value| value.to_bytes())),
];

/// One valid input for each decoder.
fn valid() -> &'static [Vec<u8>] {
    static VALID: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    VALID.get_or_init(|| {
        let world = World::new(&Options { steps: 3, checked: 1, frames_checked: 1, ..Options::default() });
        let committed = world.commit(world.honest());
        let bundle = world.second_opinion(&committed);
        let verdict = world.audit(&bundle).unwrap().verdict;
        let member = MemberCommitment {
            session: verdict.session,
            member: 3,
            key: verdict.miner,
            root: verdict.job,
            leaf_count: 7,
            boundary_root: verdict.bundle,
            boundary_count: 9,
        };
        let shipment = Shipment {
            session: verdict.session,
            sender: verdict.miner,
            step: 1,
            exchange: 2,
            from: 3,
            to: 4,
            digest: verdict.job,
        };
        vec![
            world.job.to_bytes(),
            world.challenge.to_bytes(),
            world.pledge().to_bytes(),
            committed.commitment().to_bytes(),
            bundle.reveal.as_ref().unwrap().bytes.clone(),
            Signed::sign(verdict, &world.second).unwrap().to_bytes(),
            bundle.to_bytes(),
            committed.evidence().to_bytes(),
            Signed::sign(member, &world.miner).unwrap().to_bytes(),
            Signed::sign(shipment, &world.miner).unwrap().to_bytes(),
        ]
    })
}

/// What holds for every decoder and input.
fn check(name: &str, decode: Decode, bytes: &[u8]) {
    match decode(bytes) {
        Ok(again) => assert!(again == bytes, "{name}: a second form of one value"),
        Err(error) => {
            assert!(error.code().starts_with("proof.decode."));
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn valid_inputs_are_read_and_nothing_shorter_or_longer_is() {
    for ((name, decode), bytes) in DECODERS.iter().zip(valid()) {
        assert_eq!(&decode(bytes).unwrap(), bytes, "{name}");
        // All cuts of small messages, some of large ones.
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 2000) {
            assert!(decode(&bytes[..cut]).is_err(), "{name} cut to {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode(&longer), Err(DecodeError::Trailing { bytes: 1 }), "{name}");
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    // A bundle whose reveal says it has 2^63 bytes, and one that says more than there is: refused before any allocation.
    let world = World::new(&Options { steps: 3, checked: 1, ..Options::default() });
    let bundle = world.bundle(&world.commit(world.honest())).to_bytes();
    let reveal_len = world.bundle(&world.commit(world.honest())).reveal.unwrap().bytes.len() as u64;
    let at = bundle.windows(8).position(|window| window == reveal_len.to_le_bytes()).unwrap();
    for (lie, code) in [(1_u64 << 63, "proof.decode.too_long"), (1 << 29, "proof.decode.truncated")] {
        let mut bytes = bundle.clone();
        bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
        assert_eq!(Bundle::from_bytes(&bytes).unwrap_err().code(), code);
    }
    let many_leaves = [4000_u32.to_le_bytes().as_slice(), &[0; 100]].concat();
    assert_eq!(Reveal::from_bytes(&many_leaves).unwrap_err().code(), "proof.decode.truncated");
    let too_many = u32::MAX.to_le_bytes();
    assert_eq!(Reveal::from_bytes(&too_many).unwrap_err().code(), "proof.decode.too_long");
}

#[test]
fn jobs_that_nobody_can_run_are_refused() {
    type Change = fn(&mut JobSpec);
    let cases: &[(&str, Change)] = &[
        ("width", |job| job.width = 0),
        ("height", |job| job.height = 4097),
        ("frames", |job| job.frames = 1025),
        ("steps", |job| job.steps = 1001),
        ("guidance", |job| job.guidance = f32::NAN),
        ("guidance", |job| job.guidance = -0.0),
        ("guidance", |job| job.guidance = 101.0),
        ("frame rate", |job| job.frame_rate.denominator = 0),
        ("frame rate", |job| (job.frame_rate.numerator, job.frame_rate.denominator) = (16, 2)),
        ("frame rate", |job| job.frame_rate.numerator = 1001),
        ("latent channels", |job| job.latent.channels = 65),
        ("latent size", |job| (job.latent.height, job.latent.width) = (4096, 4096)),
    ];
    let world = World::new(&Options::default());
    for (field, change) in cases {
        let mut job = world.job.clone();
        change(&mut job);
        let error = job.check().unwrap_err();
        assert!(error.to_string().contains(field), "{field}: {error}");
        assert_eq!(error.code(), "proof.job");
        assert_eq!(JobSpec::from_bytes(&job.to_bytes()).unwrap_err().code(), "proof.decode.invalid", "{field}");
    }
}

#[test]
fn every_field_of_a_job_is_in_its_digest() {
    let job = World::new(&Options::default()).job;
    assert_eq!(job.to_bytes().len(), JobSpec::LEN);
    let digest = job.digest();
    let bytes = job.to_bytes();
    let mut readable = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(other) = JobSpec::from_bytes(&changed) {
            assert_ne!(other.digest(), digest, "byte {at}");
            readable += 1;
        }
    }
    assert!(readable > 250, "{readable} of {} single-bit changes are other jobs", bytes.len());
    let sampler = |sampler| World::new(&Options { sampler, ..Options::default() }).job.digest();
    assert_ne!(sampler(DPM), sampler(EULER));
    assert_eq!(job.prompt.scheme, CommitmentScheme::Sha256);
    assert_ne!(Challenge::DOMAIN, Pledge::DOMAIN);
}

proptest! {
    #[test]
    fn any_bytes(which in 0..DECODERS.len(), bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (name, decode) = DECODERS[which];
        check(name, decode, &bytes);
    }

    #[test]
    fn changed_bytes(
        which in 0..DECODERS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (name, decode) = DECODERS[which];
        let mut bytes = valid()[which].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        check(name, decode, &bytes);
    }

    #[test]
    fn spliced_bytes(
        which in 0..DECODERS.len(),
        at in any::<prop::sample::Index>(),
        drop in 0_usize..40,
        insert in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (name, decode) = DECODERS[which];
        let mut bytes = valid()[which].clone();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + drop);
        bytes.splice(at..end, insert);
        check(name, decode, &bytes);
    }
}
