//! Every cryptographic or structural attack of the specification, each through one helper.

use infernet_engine::pipeline::Precision;
use infernet_network::proof::{
    Bundle, Check, Commitment, Committed, ContentKind, Contents, Digest, Draw, Evidence, JobSeed, LeafPayload,
    LeafPosition, MerkleTree, OpenedLeaf, PublicKey, Reexecution, Reveal, RevealPlan, RgbFrame, Signed, SignedReveal,
    SigningKey, StepOutputs, Tensor,
};

use super::fake::{Fake, encode_clip};
use super::world::{DDIM, Options, World, bytes};

/// What the cheat changes. Whatever a cheating miner can sign again, it signs again.
#[allow(clippy::type_complexity)]
enum Attack {
    /// The run itself, before anything is committed.
    Run(fn(&World) -> Evidence),
    /// What is signed as the commitment.
    Commit(fn(&World, &Committed, &mut Commitment)),
    /// What is opened.
    Open(fn(&World, &Committed, &mut Reveal)),
    /// The bytes of the reveal.
    Bytes(fn(&mut Vec<u8>)),
    /// Anything else, without new signatures.
    Exchange(fn(&World, &Committed, &mut Bundle)),
}

struct Case {
    name: &'static str,
    attack: Attack,
    caught: Check,
}

/// Audits the attack in several worlds; all must end at the named check.
fn check(case: &Case) {
    for number in 0..5 {
        for sampler in [DDIM, super::world::DPM] {
            let world = World::new(&Options { number, sampler, ..Options::default() });
            let bundle = cheat(&world, &case.attack);
            let audit = world.audit(&bundle).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let failure = audit.verdict.failure().map(|failure| failure.check);
            assert_eq!(failure, Some(case.caught), "{} in world {number}", case.name);
            assert!(!audit.verdict.accepted());
            // What a file keeps says the same.
            let kept = Bundle::from_bytes(&bundle.to_bytes()).unwrap();
            assert_eq!(world.audit(&kept).unwrap().verdict, audit.verdict, "{}", case.name);
        }
    }
}

fn cheat(world: &World, attack: &Attack) -> Bundle {
    let evidence = if let Attack::Run(run) = attack { run(world) } else { world.honest() };
    let committed = world.commit(evidence);
    let mut bundle = world.bundle(&committed);
    match attack {
        Attack::Run(_) => {}
        Attack::Commit(change) => {
            let mut body = committed.commitment().body.clone();
            change(world, &committed, &mut body);
            bundle.commitment = Signed::sign(body, &world.miner).unwrap();
            // The indices depend on the signature: the cheat opens what is drawn now.
            let draw = Draw::new(&world.job, &world.challenge.body.terms, &world.nonce, &bundle.commitment);
            let plan = RevealPlan::new(&world.job, &world.scheduler, &draw);
            let leaves = plan.leaves.iter().map(|(&index, &kind)| committed.open(index, kind).unwrap()).collect();
            bundle.reveal = Some(sign(world, Reveal { leaves }.to_bytes(), &bundle.commitment));
        }
        Attack::Open(change) => {
            let mut reveal = committed.reveal(world.first(), &world.nonce).unwrap();
            change(world, &committed, &mut reveal);
            bundle.reveal = Some(sign(world, reveal.to_bytes(), &bundle.commitment));
        }
        Attack::Bytes(change) => {
            let mut bytes = bundle.reveal.as_ref().unwrap().bytes.clone();
            change(&mut bytes);
            bundle.reveal = Some(sign(world, bytes, &bundle.commitment));
        }
        Attack::Exchange(change) => change(world, &committed, &mut bundle),
    }
    bundle
}

fn sign(world: &World, bytes: Vec<u8>, commitment: &Signed<Commitment>) -> SignedReveal {
    SignedReveal::sign(bytes, commitment, world.first(), &world.nonce, &world.miner).unwrap()
}

fn first_step(reveal: &mut Reveal) -> &mut OpenedLeaf {
    reveal.leaves.iter_mut().find(|leaf| matches!(leaf.contents, Contents::Step { .. })).unwrap()
}

fn conditional(reveal: &mut Reveal) -> &mut Tensor {
    match &mut first_step(reveal).contents {
        Contents::Step { conditional, .. } => conditional,
        _ => unreachable!(),
    }
}

/// Numbers that look like a model's.
fn noise_like(world: &World, label: &str, step: u32) -> Vec<f32> {
    let seed = bytes(label, u64::from(step));
    JobSeed(seed).noise(world.job.latent.elements())
}

/// A run in which every model output is replaced.
fn outputs(world: &World, made: impl Fn(u32, StepOutputs) -> StepOutputs) -> Evidence {
    world.run_with(|step, _, honest| made(step, honest))
}

/// Decodes and encodes again after the final state was changed.
fn finish(world: &World, mut evidence: Evidence) -> Evidence {
    evidence.frames = world.decode(&evidence.final_state);
    evidence.clip = encode_clip(&evidence.frames);
    evidence
}

const RUNS: &[Case] = &[
    Case {
        name: "made-up (x, eps): a chain that fits together and was never computed",
        attack: Attack::Run(|world| {
            outputs(world, |step, honest| StepOutputs {
                conditional: noise_like(world, "made up", step),
                unconditional: honest.unconditional.map(|_| noise_like(world, "made up too", step)),
            })
        }),
        caught: Check::ModelOutput,
    },
    Case {
        name: "the unconditional branch is the conditional one",
        attack: Attack::Run(|world| {
            outputs(world, |_, honest| StepOutputs {
                unconditional: Some(honest.conditional.clone()),
                conditional: honest.conditional,
            })
        }),
        caught: Check::ModelOutput,
    },
    Case {
        name: "one frame of every output is made up",
        attack: Attack::Run(|world| {
            outputs(world, |_, mut honest| {
                // One of four frames hides in the whole: 0.95e-3 of that, about twice as much of the frame.
                let plane = world.job.latent.height * world.job.latent.width;
                let norm = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>().sqrt();
                let error = 0.95e-3 * norm(&honest.conditional) / (plane as f32).sqrt();
                honest.conditional[..plane].iter_mut().for_each(|value| *value += error);
                honest
            })
        }),
        caught: Check::ModelOutputWorstFrame,
    },
    Case {
        name: "another prompt",
        attack: Attack::Run(|world| {
            let mut model = Fake::exact();
            let mut opening = world.opening.clone();
            opening.prompt = "a blue square".to_owned();
            let text = model.prepare(&world.job, &opening).unwrap();
            world.run_from(&mut model, text, &world.first_state(), |_, _, made| made)
        }),
        caught: Check::TextEmbeddings,
    },
    Case {
        name: "another prompt, with the right text embeddings committed",
        attack: Attack::Run(|world| {
            let mut model = Fake::exact();
            let text = model.prepare(&world.job, &world.opening).unwrap();
            let mut opening = world.opening.clone();
            opening.prompt = "a blue square".to_owned();
            model.prepare(&world.job, &opening).unwrap();
            world.run_from(&mut model, text, &world.first_state(), |_, _, made| made)
        }),
        caught: Check::ModelOutput,
    },
    Case {
        name: "start not from the seed: a recycled latent",
        attack: Attack::Run(|world| {
            let old = World::new(&Options { number: 77, ..Options::default() });
            let mut model = Fake::exact();
            let text = model.prepare(&world.job, &world.opening).unwrap();
            world.run_from(&mut model, text, &old.first_state(), |_, _, made| made)
        }),
        caught: Check::InitialNoise,
    },
    Case {
        name: "start from the seed's noise with one bit changed",
        attack: Attack::Run(|world| {
            let mut model = Fake::exact();
            let text = model.prepare(&world.job, &world.opening).unwrap();
            let mut first = world.first_state();
            first.bytes[20] ^= 1;
            world.run_from(&mut model, text, &first, |_, _, made| made)
        }),
        caught: Check::InitialNoise,
    },
    Case {
        name: "valid pairs that do not chain",
        attack: Attack::Run(|world| {
            // From step 2 on everything is from an honest run of another job.
            let mut evidence = world.honest();
            let old = World::new(&Options { number: 78, ..Options::default() });
            let mut model = Fake::exact();
            let text = model.prepare(&world.job, &world.opening).unwrap();
            let other = world.run_from(&mut model, text, &old.first_state(), |_, _, made| made);
            evidence.steps.splice(2.., other.steps[2..].iter().cloned());
            evidence.final_state = other.final_state;
            finish(world, evidence)
        }),
        caught: Check::Transition,
    },
    Case {
        name: "one state one bit off",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.steps[3].state.bytes[0] ^= 1;
            evidence
        }),
        caught: Check::Transition,
    },
    Case {
        name: "swapped final latent",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.final_state = World::new(&Options { number: 79, ..Options::default() }).honest().final_state;
            finish(world, evidence)
        }),
        caught: Check::Transition,
    },
    Case {
        name: "fewer steps: every second state is interpolated",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            for step in (1..evidence.steps.len() - 1).step_by(2) {
                let (a, b) = (evidence.steps[step - 1].state.to_f32(), evidence.steps[step + 1].state.to_f32());
                let mut middle: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 0.5 * (a + b)).collect();
                world.job.latent_dtype.round(&mut middle);
                evidence.steps[step].state =
                    Tensor::from_f32(&middle, world.job.latent_dtype, &world.job.latent_dims());
            }
            evidence
        }),
        caught: Check::Transition,
    },
    Case {
        name: "outputs cached on every second step, states led on from them",
        attack: Attack::Run(|world| {
            let kept = std::cell::RefCell::new(None);
            outputs(world, |step, honest| {
                if step % 2 == 0 {
                    kept.replace(Some(honest.clone()));
                }
                kept.borrow().clone().unwrap_or(honest)
            })
        }),
        caught: Check::ModelOutput,
    },
    Case {
        name: "a state fitted to a cheaper model's output",
        attack: Attack::Run(|world| {
            // One step is made up, and everything after follows from it honestly.
            outputs(world, |step, mut honest| {
                if step == 4 {
                    honest.conditional.iter_mut().for_each(|value| *value = (*value * 8.0).round() / 8.0);
                }
                honest
            })
        }),
        caught: Check::ModelOutput,
    },
    Case {
        name: "not a number in an output",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.steps[2].conditional.bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            evidence
        }),
        caught: Check::FiniteValues,
    },
    Case {
        name: "infinity in a state",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.steps[5].state.bytes[..2].copy_from_slice(&[0x00, 0x7c]);
            evidence
        }),
        caught: Check::FiniteValues,
    },
    Case {
        name: "finite outputs whose guidance overflows",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.steps[5].conditional.bytes[..4].copy_from_slice(&f32::MAX.to_le_bytes());
            evidence
        }),
        caught: Check::Transition,
    },
    Case {
        name: "swapped frames",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.frames.rotate_left(1);
            evidence.clip = encode_clip(&evidence.frames);
            evidence
        }),
        caught: Check::DecodedFrame,
    },
    Case {
        name: "a clip of other frames than those committed",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            let mut frames = evidence.frames.clone();
            frames.rotate_left(1);
            evidence.clip = encode_clip(&frames);
            evidence
        }),
        caught: Check::ClipFrame,
    },
    Case {
        name: "a clip with a frame missing",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.clip = encode_clip(&evidence.frames[1..]);
            evidence
        }),
        caught: Check::ClipDecodes,
    },
    Case {
        name: "a clip that is none",
        attack: Attack::Run(|world| {
            let mut evidence = world.honest();
            evidence.clip = b"no clip at all".to_vec();
            evidence
        }),
        caught: Check::ClipDecodes,
    },
];

const COMMITMENTS: &[Case] = &[
    Case {
        name: "another seed",
        attack: Attack::Commit(|_, _, body| body.seed = [7; 32]),
        caught: Check::CommitmentFields,
    },
    Case {
        name: "fewer leaves: nodes pose as leaves",
        attack: Attack::Commit(|_, _, body| body.leaf_count = body.leaf_count.div_ceil(2)),
        caught: Check::CommitmentFields,
    },
    Case {
        name: "another job's digest",
        attack: Attack::Commit(|_, _, body| body.job = Digest([9; 32])),
        caught: Check::CommitmentFields,
    },
    Case {
        name: "another clip in the signature than in the tree",
        attack: Attack::Commit(|_, _, body| body.clip = LeafPayload::clip_digest(b"another")),
        caught: Check::ClipBinding,
    },
    Case {
        name: "a root that is not the leaves'",
        attack: Attack::Commit(|_, _, body| body.root.0[31] ^= 1),
        caught: Check::MerklePath,
    },
    Case {
        name: "replayed proof of another job: the old tree under a new signature",
        attack: Attack::Commit(|world, _, body| body.root = replayed(world).commitment().body.root),
        caught: Check::MerklePath,
    },
];

/// The same prompt, made for an earlier job.
fn replayed(world: &World) -> Committed {
    let old = World::new(&Options { number: 80, ..Options::default() });
    assert_ne!(old.job.digest(), world.job.digest());
    old.commit(old.honest())
}

const REVEALS: &[Case] = &[
    Case {
        name: "a leaf at another leaf's position",
        attack: Attack::Open(|_, committed, reveal| {
            let other = committed.open(2, ContentKind::Tensors).unwrap();
            let leaf = reveal.leaves.iter_mut().find(|leaf| leaf.index == 3).unwrap();
            *leaf = OpenedLeaf { index: 3, ..other };
        }),
        caught: Check::MerklePath,
    },
    Case {
        name: "truncated path",
        attack: Attack::Open(|_, _, reveal| {
            first_step(reveal).path.pop();
        }),
        caught: Check::MerklePath,
    },
    Case {
        name: "a node poses as leaf: the path without its lowest sibling",
        attack: Attack::Open(|_, _, reveal| {
            first_step(reveal).path.remove(0);
        }),
        caught: Check::MerklePath,
    },
    Case {
        name: "extended path",
        attack: Attack::Open(|_, committed, reveal| first_step(reveal).path.push(committed.commitment().body.root)),
        caught: Check::MerklePath,
    },
    Case {
        name: "empty path to the root itself",
        attack: Attack::Open(|_, _, reveal| first_step(reveal).path.clear()),
        caught: Check::MerklePath,
    },
    Case {
        name: "other digests than committed, with the tensors to match",
        attack: Attack::Open(|_, _, reveal| {
            conditional(reveal).bytes[0] ^= 1;
            let digest = conditional(reveal).digest();
            if let LeafPayload::Step { conditional, .. } = &mut first_step(reveal).payload {
                *conditional = digest;
            }
        }),
        caught: Check::MerklePath,
    },
    Case {
        name: "other tensors than committed",
        attack: Attack::Open(|_, _, reveal| conditional(reveal).bytes[0] ^= 1),
        caught: Check::PayloadDigest,
    },
    Case {
        name: "wrong dtype",
        attack: Attack::Open(|_, _, reveal| {
            let tensor = conditional(reveal);
            *tensor = Tensor::from_f32(&tensor.to_f32(), Precision::F16, &tensor.dims);
        }),
        caught: Check::TensorFormat,
    },
    Case {
        name: "wrong shape: the same bytes, other sizes",
        attack: Attack::Open(|_, _, reveal| conditional(reveal).dims.swap(1, 3)),
        caught: Check::TensorFormat,
    },
    Case {
        name: "a frame of another size",
        attack: Attack::Open(|_, _, reveal| {
            let frame = reveal.leaves.iter_mut().find_map(|leaf| match &mut leaf.contents {
                Contents::Frame(frame) => Some(frame),
                _ => None,
            });
            let frame: &mut RgbFrame = frame.unwrap();
            (frame.width, frame.height) = (frame.height, frame.width);
        }),
        caught: Check::TensorFormat,
    },
    Case {
        name: "partial reveal: a leaf is missing",
        attack: Attack::Open(|_, _, reveal| {
            reveal.leaves.remove(2);
        }),
        caught: Check::RevealLeaves,
    },
    Case {
        name: "partial reveal: the last leaf is missing",
        attack: Attack::Open(|_, _, reveal| {
            reveal.leaves.pop();
        }),
        caught: Check::RevealLeaves,
    },
    Case {
        name: "partial reveal: digests without tensors",
        attack: Attack::Open(|_, _, reveal| first_step(reveal).contents = Contents::Digests),
        caught: Check::RevealLeaves,
    },
    Case {
        name: "partial reveal: the unconditional output is missing",
        attack: Attack::Open(|_, _, reveal| {
            if let Contents::Step { unconditional, .. } = &mut first_step(reveal).contents {
                *unconditional = None;
            }
        }),
        caught: Check::RevealLeaves,
    },
    Case {
        name: "a leaf twice",
        attack: Attack::Open(|_, _, reveal| {
            let leaf = reveal.leaves[0].clone();
            reveal.leaves.insert(1, leaf);
        }),
        caught: Check::RevealLeaves,
    },
    Case {
        name: "a leaf of another kind",
        attack: Attack::Open(|world, committed, reveal| {
            let clip = committed.open(world.job.leaf_index(LeafPosition::Clip), ContentKind::Digests).unwrap();
            let last = reveal.leaves.last_mut().unwrap();
            *last = OpenedLeaf { index: last.index, ..clip };
        }),
        caught: Check::RevealLeaves,
    },
    Case {
        name: "oversized payload",
        attack: Attack::Open(|_, _, reveal| {
            let tensor = conditional(reveal);
            tensor.dims.push(64);
            tensor.bytes = tensor.bytes.repeat(64);
        }),
        caught: Check::RevealSize,
    },
    Case { name: "bytes after the end", attack: Attack::Bytes(|bytes| bytes.push(0)), caught: Check::RevealEncoding },
    Case {
        name: "bytes cut off",
        attack: Attack::Bytes(|bytes| bytes.truncate(bytes.len() / 2)),
        caught: Check::RevealEncoding,
    },
    Case {
        name: "a length that lies",
        attack: Attack::Bytes(|bytes| bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes())),
        caught: Check::RevealEncoding,
    },
];

const EXCHANGES: &[Case] = &[
    Case {
        name: "replayed proof of another job, as it was",
        attack: Attack::Exchange(|world, _, bundle| bundle.commitment = replayed(world).commitment().clone()),
        caught: Check::CommitmentSession,
    },
    Case {
        name: "signature of another key",
        attack: Attack::Exchange(|_, _, bundle| {
            let other = SigningKey::from_bytes(&bytes("somebody", 0));
            let mut body = bundle.commitment.body.clone();
            body.miner = PublicKey::from(&other);
            bundle.commitment = Signed::sign(body, &other).unwrap();
        }),
        caught: Check::CommitmentSignature,
    },
    Case {
        name: "a forged signature",
        attack: Attack::Exchange(|_, _, bundle| bundle.commitment.signature.0[0] ^= 1),
        caught: Check::CommitmentSignature,
    },
    Case {
        name: "a second form of the signature: s + the group's order",
        attack: Attack::Exchange(|_, _, bundle| {
            const ORDER: [u8; 32] = [
                0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
            ];
            let mut carry = 0_u16;
            for (byte, add) in bundle.commitment.signature.0[32..].iter_mut().zip(ORDER) {
                carry += u16::from(*byte) + u16::from(add);
                *byte = carry as u8;
                carry >>= 8;
            }
        }),
        caught: Check::CommitmentSignature,
    },
    Case {
        name: "commitment after the deadline",
        attack: Attack::Exchange(|_, _, bundle| {
            bundle.timing.committed_unix_ms = bundle.challenge.body.commit_by_unix_ms + 1;
        }),
        caught: Check::CommitmentDeadline,
    },
    Case {
        name: "silence",
        attack: Attack::Exchange(|_, _, bundle| bundle.reveal = None),
        caught: Check::RevealPresent,
    },
    Case {
        name: "reveal after the deadline",
        attack: Attack::Exchange(|_, _, bundle| {
            let window = bundle.challenge.body.reveal_window_ms;
            bundle.timing.revealed_unix_ms = bundle.timing.nonce_published_unix_ms + window + 1;
        }),
        caught: Check::RevealDeadline,
    },
    Case {
        name: "a reveal that nobody signed",
        attack: Attack::Exchange(|_, _, bundle| bundle.reveal.as_mut().unwrap().signature.0[5] ^= 1),
        caught: Check::RevealSignature,
    },
    Case {
        name: "another validator's reveal",
        attack: Attack::Exchange(|world, committed, bundle| {
            bundle.reveal = world.second_opinion(committed).reveal;
        }),
        caught: Check::RevealSignature,
    },
    Case {
        name: "swapped clip",
        attack: Attack::Exchange(|_, _, bundle| bundle.clip.push(0)),
        caught: Check::ClipDelivery,
    },
];

#[test]
fn runs_that_were_not_run() {
    RUNS.iter().for_each(check);
}

#[test]
fn commitments_that_lie() {
    COMMITMENTS.iter().for_each(check);
}

#[test]
fn reveals_that_do_not_fit() {
    REVEALS.iter().for_each(check);
}

#[test]
fn exchanges_that_are_not_the_one() {
    EXCHANGES.iter().for_each(check);
}

#[test]
fn an_oversized_clip_is_refused() {
    let world = World::new(&Options::default());
    let mut evidence = world.honest();
    evidence.clip.resize(usize::try_from(world.job.max_clip_bytes()).unwrap() + 1, 0);
    let clip = evidence.clip.clone();
    assert_eq!(evidence.commit(&world.miner, None).err().unwrap().code(), "proof.evidence.shape");
    // A miner with other software commits to it all the same.
    let committed = world.commit(world.honest());
    let digest = LeafPayload::clip_digest(&clip);
    let mut forged = Forged::new(&committed);
    let index = world.job.leaf_index(LeafPosition::Clip);
    forged.payloads[index as usize] = LeafPayload::Clip { clip: digest };
    let mut bundle = forged.bundle(&world, |body| body.clip = digest);
    bundle.clip = clip;
    let failure = world.audit(&bundle).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.leaf), (Check::ClipSize, Some(index)));
}

#[test]
fn noise_levels_of_another_schedule_are_refused() {
    let world = World::new(&Options::default());
    let committed = world.commit(world.honest());
    let mut forged = Forged::new(&committed);
    if let LeafPayload::Step { sigma_bits, .. } = &mut forged.payloads[4] {
        *sigma_bits ^= 1;
    }
    let failure = world.audit(&forged.bundle(&world, |_| ())).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.leaf), (Check::Schedule, Some(4)));
}

/// A miner with software of its own: any payloads, committed and opened as the protocol wants.
struct Forged<'a> {
    committed: &'a Committed,
    payloads: Vec<LeafPayload>,
}

impl<'a> Forged<'a> {
    fn new(committed: &'a Committed) -> Self {
        let count = committed.commitment().body.leaf_count;
        let payloads = (0..count).map(|index| committed.open(index, ContentKind::Digests).unwrap().payload).collect();
        Self { committed, payloads }
    }

    fn bundle(&self, world: &World, change: impl Fn(&mut Commitment)) -> Bundle {
        let session = world.challenge.body.session();
        let hashes: Vec<Digest> =
            self.payloads.iter().zip(0..).map(|(payload, index)| payload.leaf_hash(&session, index)).collect();
        let tree = MerkleTree::new(&hashes).unwrap();
        let mut body = Commitment { root: tree.root(), ..self.committed.commitment().body.clone() };
        change(&mut body);
        let commitment = Signed::sign(body, &world.miner).unwrap();
        let draw = Draw::new(&world.job, &world.challenge.body.terms, &world.nonce, &commitment);
        let plan = RevealPlan::new(&world.job, &world.scheduler, &draw);
        let open = |(&index, &kind): (&u32, &ContentKind)| OpenedLeaf {
            payload: self.payloads[index as usize].clone(),
            path: tree.path(index).unwrap(),
            ..self.committed.open(index, kind).unwrap()
        };
        let reveal = Reveal { leaves: plan.leaves.iter().map(open).collect() };
        let reveal = sign(world, reveal.to_bytes(), &commitment);
        Bundle { commitment, reveal: Some(reveal), ..world.bundle(self.committed) }
    }
}

#[test]
fn a_step_fitted_backwards_is_caught_when_it_is_drawn() {
    // The miner wants another ending and makes up the one output that leads there: the transition holds, the output does not.
    let world = World::new(&Options { sampler: DDIM, ..Options::default() });
    let wanted = noise_like(&world, "wanted", 0);
    let evidence = world.run_with(|step, state, mut honest| {
        if step + 1 == world.job.steps {
            let without = honest.unconditional.clone().unwrap();
            let zeros = vec![0.0; state.len()];
            let ones = vec![1.0; state.len()];
            let at_zero = world.scheduler.step(step as usize, state, &zeros, None).unwrap();
            let at_one = world.scheduler.step(step as usize, state, &ones, None).unwrap();
            for (at, value) in honest.conditional.iter_mut().enumerate() {
                let guided = (wanted[at] - at_zero[at]) / (at_one[at] - at_zero[at]);
                *value = without[at] + (guided - without[at]) / world.job.guidance;
            }
        }
        honest
    });
    let distance = evidence.final_state.to_f32().iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(distance < 0.05, "the cheat did not get its ending: {distance}");
    let failure = world.audit(&world.bundle(&world.commit(evidence))).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.leaf), (Check::ModelOutput, Some(world.job.steps - 1)));
}
