//! `docs/vectors/`: known answers for other implementations, made here and checked to be current. After a change of
//! the protocol: `INFERNET_WRITE_VECTORS=1 cargo test -p infernet-network --test proof vectors`.

use std::path::PathBuf;

use infernet_engine::noise::{NoiseStream, PortableNoise};
use infernet_engine::pipeline::{Precision, StepNoise};
use infernet_network::proof::group::{
    BoundaryRecord, MemberLeaf, Shipment, boundary_digest, group_root, member_commitment,
};
use infernet_network::proof::{
    AuditNonce, AuditTerms, Bundle, CommitmentScheme, ContentKind, Digest, Draw, JobSeed, LeafPayload, MerkleTree,
    PromptOpening, PublicKey, RgbFrame, Signable, Signed, Tensor, check_structure,
};
use serde_json::{Value, json};

use super::world::{DDIM, DPM, EULER, Options, World, bytes, table};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors")
}

/// The file's bytes; with `INFERNET_WRITE_VECTORS` it gets these first.
fn kept(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = folder().join(name);
    if std::env::var_os("INFERNET_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap()
}

fn check(name: &str, bytes: &[u8]) {
    assert!(kept(name, bytes) == bytes, "{name} is not what the code makes; see the top of {}", file!());
}

/// Compared as values, both read from text: the order of keys depends on what else is built with `serde_json`.
fn check_json(name: &str, value: &Value) {
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
    assert!(
        read(&kept(name, text.as_bytes())) == read(text.as_bytes()),
        "{name} is not what the code makes; see the top of {}",
        file!()
    );
}

fn options(sampler: u8, dtype: Precision) -> Options {
    Options { sampler, dtype, steps: 7, checked: 2, frames_checked: 2, ..Options::default() }
}

#[test]
fn primitives() {
    let opening = PromptOpening {
        salt: bytes("salt", 0),
        prompt: "a red circle moving right — slowly".to_owned(),
        negative_prompt: "blurry".to_owned(),
    };
    let prompts: Vec<Value> = [CommitmentScheme::Sha256, CommitmentScheme::Keccak256]
        .map(|scheme| {
            let (prompt, negative) = opening.commitments(scheme);
            json!({ "scheme": scheme, "salt": hex(opening.salt), "prompt": opening.prompt,
                "negative_prompt": opening.negative_prompt,
                "commitment": prompt.digest, "negative_commitment": negative.digest })
        })
        .to_vec();
    let values = [1.0_f32, -0.5, 0.0, 1024.0, -2.0, 0.25];
    let tensors: Vec<Value> = [Precision::F32, Precision::F16, Precision::Bf16]
        .map(|dtype| {
            let tensor = Tensor::from_f32(&values, dtype, &[2, 3]);
            json!({ "dtype": dtype, "dims": tensor.dims, "values": values, "bytes": hex(&tensor.bytes), "digest": tensor.digest() })
        })
        .to_vec();
    let frame = RgbFrame { width: 2, height: 1, pixels: vec![1, 2, 3, 250, 251, 252] };
    let session = Digest(bytes("session", 0));
    let digest = |number| Digest(bytes("digest", number));
    let step = |unconditional| LeafPayload::Step {
        state: digest(1),
        conditional: digest(2),
        unconditional,
        timestep_bits: 981.0_f64.to_bits(),
        sigma_bits: 12.5_f64.to_bits(),
    };
    let payloads = [
        ("step", step(Some(digest(3)))),
        ("step", step(None)),
        ("final", LeafPayload::Final { state: digest(4) }),
        ("frame", LeafPayload::Frame { frame: digest(5) }),
        ("clip", LeafPayload::Clip { clip: digest(6) }),
        ("text", LeafPayload::Text { conditional: digest(7), unconditional: Some(digest(8)) }),
    ];
    let leaves: Vec<Value> = payloads
        .iter()
        .zip(0_u32..)
        .map(|((kind, payload), index)| {
            let digests: Vec<Option<Digest>> = match payload {
                LeafPayload::Step { state, conditional, unconditional, .. } => {
                    vec![Some(*state), Some(*conditional), *unconditional]
                }
                LeafPayload::Text { conditional, unconditional } => vec![Some(*conditional), *unconditional],
                LeafPayload::Final { state } => vec![Some(*state)],
                LeafPayload::Frame { frame } => vec![Some(*frame)],
                LeafPayload::Clip { clip } => vec![Some(*clip)],
            };
            json!({ "kind": kind, "session": session, "index": index, "digests": digests,
                "timestep": 981.0, "sigma": 12.5, "hash": payload.leaf_hash(&session, index) })
        })
        .collect();
    let trees: Vec<Value> = [1_u32, 2, 3, 5, 8, 13, 31]
        .map(|count| {
            let hashes: Vec<Digest> = (0..count).map(|index| digest(u64::from(index))).collect();
            let tree = MerkleTree::new(&hashes).unwrap();
            let paths: Vec<Value> = [0, count / 2, count - 1]
                .map(|index| json!({ "index": index, "path": tree.path(index).unwrap() }))
                .to_vec();
            json!({ "leaves": hashes, "root": tree.root(), "paths": paths })
        })
        .to_vec();
    let seeds: Vec<Value> = [0_u64, 1]
        .map(|number| {
            let (job, miner, c) = (digest(number), PublicKey(bytes("miner key", number)), bytes("c", number));
            let seed = JobSeed::new(&job, &miner, &c);
            let noise = seed.noise(40).into_iter().map(|value| format!("{:08x}", value.to_bits())).collect::<Vec<_>>();
            // Stream 3: what is added after step 2.
            let mut after = [0.0_f32; 20];
            PortableNoise::from_wide_seed(&seed.0, NoiseStream::Step(2)).fill(0, &mut after);
            let after: Vec<String> = after.iter().map(|value| format!("{:08x}", value.to_bits())).collect();
            json!({ "job": job, "miner": miner, "c": hex(c), "seed": hex(seed.0), "noise_bits": noise,
                "after_step_2_bits": after })
        })
        .to_vec();
    check_json(
        "primitives.json",
        &json!({
            "prompts": prompts,
            "tensors": tensors,
            "frame": { "width": 2, "height": 1, "pixels": hex(&frame.pixels), "digest": frame.digest() },
            "clip": { "bytes": hex(b"clip"), "digest": LeafPayload::clip_digest(b"clip") },
            "leaves": leaves,
            "trees": trees,
            "seeds": seeds,
            "tolerance": { "table": table(digest(9), Precision::F16), "digest": table(digest(9), Precision::F16).digest() },
        }),
    );
}

#[test]
fn statements() {
    let cases: Vec<Value> = [(DDIM, Precision::F32), (DPM, Precision::F16), (EULER, Precision::Bf16)]
        .into_iter()
        .map(|(sampler, dtype)| {
            let world = World::new(&options(sampler, dtype));
            let challenge = &world.challenge.body;
            let committed = world.commit(world.honest());
            let pledge = world.pledge();
            let draw = |terms: &AuditTerms, nonce: &AuditNonce| {
                let draw = Draw::new(&world.job, terms, nonce, committed.commitment());
                json!({ "steps": draw.steps, "frames": draw.frames, "full": draw.full })
            };
            let often = AuditTerms { full_one_in: 2, full_steps: 5, last_step: true, ..challenge.terms };
            let draws: Vec<Value> = (0..6)
                .map(|number| {
                    let nonce = AuditNonce(bytes("vector nonce", number));
                    json!({ "nonce": hex(nonce.0), "usual": draw(&challenge.terms, &nonce), "often_full": draw(&often, &nonce) })
                })
                .collect();
            let first = committed.open(0, ContentKind::Digests).unwrap();
            json!({
                "job": hex(world.job.to_bytes()),
                "job_digest": world.job.digest(),
                "challenge": hex(world.challenge.to_bytes()),
                "session": challenge.session(),
                "nonce": hex(world.nonce.0),
                "nonce_commitment": challenge.terms.nonce_commitment,
                "pledge": hex(pledge.to_bytes()),
                "second_nonce": hex(world.second_nonce.0),
                "seed": hex(JobSeed::of(challenge).0),
                "init_noise_sigma": world.scheduler.init_noise_sigma(),
                "initial_state_digest": first.payload.state().unwrap(),
                "step_noise_amplitudes": (0..7).map(|step| StepNoise::SHARE * world.scheduler.noise_after(step))
                    .collect::<Vec<f64>>(),
                "commitment": hex(committed.commitment().to_bytes()),
                "commitment_digest": committed.commitment().digest(),
                "draws": draws,
            })
        })
        .collect();
    check_json("statements.json", &json!({ "cases": cases }));
}

#[test]
fn bundles() {
    let world = World::new(&options(DPM, Precision::F16));
    let committed = world.commit(world.honest());
    for (name, bundle) in [("bundle", world.bundle(&committed)), ("second-opinion", world.second_opinion(&committed))] {
        check(&format!("{name}.bin"), &bundle.to_bytes());
        let structure = check_structure(&bundle).unwrap();
        assert!(structure.failure().is_none());
        let draw = structure.opened.unwrap().draw;
        let verdict = Signed::sign(
            world.audit(&bundle).unwrap().verdict,
            if name == "bundle" { &world.validator } else { &world.second },
        )
        .unwrap();
        check_json(
            &format!("{name}.json"),
            &json!({ "digest": bundle.digest(), "steps": draw.steps, "frames": draw.frames,
                "verdict": verdict.body, "verdict_bytes": hex(verdict.body.canonical_bytes()),
                "signature": verdict.signature }),
        );
        assert_eq!(Bundle::from_bytes(&std::fs::read(folder().join(format!("{name}.bin"))).unwrap()).unwrap(), bundle);
    }
}

#[test]
fn groups() {
    let session = Digest(bytes("session", 0));
    let key = |number| infernet_network::proof::SigningKey::from_bytes(&bytes("member", number));
    let record = |exchange, from, to, sent| BoundaryRecord {
        step: 3,
        exchange,
        from,
        to,
        sent,
        digest: boundary_digest(&bytes("boundary", u64::from(exchange))),
    };
    let members: Vec<_> = (0..3_u16)
        .map(|member| {
            let leaves: Vec<MemberLeaf> = (0..4)
                .map(|step| MemberLeaf {
                    step,
                    state: Digest(bytes("slice", u64::from(step))),
                    conditional: (step < 3).then(|| Digest(bytes("slice output", u64::from(step)))),
                    unconditional: None,
                })
                .collect();
            let mut records = match member {
                0 => vec![record(1, 1, 0, false), record(0, 0, 1, true)],
                1 => vec![record(0, 0, 1, false), record(1, 1, 0, true)],
                _ => vec![],
            };
            let signer = key(u64::from(member));
            let body = member_commitment(session, member, PublicKey::from(&signer), &leaves, &mut records).unwrap();
            Signed::sign(body, &signer).unwrap()
        })
        .collect();
    let shipment = Shipment {
        session,
        sender: PublicKey::from(&key(0)),
        step: 3,
        exchange: 0,
        from: 0,
        to: 1,
        digest: boundary_digest(&bytes("boundary", 0)),
    };
    let shipment = Signed::sign(shipment, &key(0)).unwrap();
    check_json(
        "groups.json",
        &json!({
            "session": session,
            "members": members.iter().map(|member| hex(member.to_bytes())).collect::<Vec<_>>(),
            "root": group_root(&members).unwrap().root,
            "shipment": hex(shipment.to_bytes()),
            "boundary": { "bytes": hex(bytes("boundary", 0)), "digest": boundary_digest(&bytes("boundary", 0)) },
        }),
    );
}
