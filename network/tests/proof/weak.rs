//! The designs this one replaces, each with the attack that passes there and fails here.

use ed25519_dalek::Signer;
use infernet_engine::pipeline::next_state;
use infernet_network::proof::{
    AuditTerms, Check, CommitmentScheme, Digest, Draw, JobSeed, LeafPayload, MerkleTree, PromptOpening, PublicKey,
    Reexecution, Signed, SigningKey, StepInput, StepOutputs, Tensor, relative_l2, verify_path,
};
use sha2::{Digest as _, Sha256};

use super::fake::Fake;
use super::world::{DDIM, Options, World, bytes};

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
}

/// "The step is finite and below ten, and about where the next latent is": the miner's own outputs, no model.
fn weak_step_check(world: &World, evidence: &infernet_network::proof::Evidence) -> bool {
    let guided = |step: usize| {
        let tensors = &evidence.steps[step];
        let without = tensors.unconditional.as_ref().map(Tensor::to_f32);
        infernet_engine::pipeline::guided_output(tensors.conditional.to_f32(), without.as_deref(), world.job.guidance)
    };
    (0..evidence.steps.len() - 1).all(|step| {
        let state = evidence.steps[step].state.to_f32();
        let next = world.scheduler.step(step, &state, &guided(step), None).unwrap();
        let claimed = evidence.steps[step + 1].state.to_f32();
        next.iter().all(|value| value.is_finite() && value.abs() < 10.0)
            // rtol = atol = 1
            && next.iter().zip(&claimed).all(|(a, b)| (a - b).abs() <= 1.0 + b.abs())
    })
}

#[test]
fn checking_the_scheduler_alone_accepts_what_no_model_made() {
    let world = World::new(&Options { sampler: DDIM, guidance: 1.0, ..Options::default() });
    // "All of it is noise": the output is the state itself.
    let evidence = world.run_with(|_, state, _| StepOutputs { conditional: state.to_vec(), unconditional: None });
    assert!(weak_step_check(&world, &evidence));
    let failure = world.audit(&world.bundle(&world.commit(evidence))).unwrap().verdict.failure().unwrap();
    assert_eq!(failure.check, Check::ModelOutput);
}

#[test]
fn tolerances_of_one_accept_states_that_do_not_follow() {
    let world = World::new(&Options { sampler: DDIM, guidance: 1.0, ..Options::default() });
    let mut evidence = world.honest();
    // Skip the model on half of the steps: the state in between is the mean of its neighbours.
    for step in [1, 3] {
        let (a, b) = (evidence.steps[step - 1].state.to_f32(), evidence.steps[step + 1].state.to_f32());
        let mut middle: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 0.5 * (a + b)).collect();
        world.job.latent_dtype.round(&mut middle);
        evidence.steps[step].state = Tensor::from_f32(&middle, world.job.latent_dtype, &world.job.latent_dims());
    }
    assert!(weak_step_check(&world, &evidence));
    let failure = world.audit(&world.bundle(&world.commit(evidence))).unwrap().verdict.failure().unwrap();
    assert_eq!(failure.check, Check::Transition);
}

#[test]
fn without_noise_after_steps_an_old_run_is_one_step_away() {
    // An old run of the same prompt, and this job's outputs: the first is made up, so that the old run's second state follows.
    let options = Options { sampler: DDIM, guidance: 1.0, steps: 8, checked: 8, ..Options::default() };
    let old = World::new(&Options { number: 1, ..options.clone() });
    let world = World::new(&options);
    let dtype = world.job.latent_dtype;
    let made_up = |state: &[f32], target: &[f32]| -> Vec<f32> {
        let at = |output: f32| world.scheduler.step(0, state, &vec![output; state.len()], None).unwrap();
        let (zero, one) = (at(0.0), at(1.0));
        (0..state.len()).map(|at| (target[at] - zero[at]) / (one[at] - zero[at])).collect()
    };
    // How many of the outputs along a chain are not the model's on the chain's own states.
    let wrong = |noise: Option<&infernet_engine::pipeline::StepNoise>| {
        // The old run, by the same rules.
        let seed = JobSeed::of(&old.challenge.body).step_noise();
        let old_noise = noise.map(|_| &seed);
        let mut model = Fake::exact();
        model.prepare(&world.job, &world.opening).unwrap();
        let mut output = |step: usize, state: &[f32]| {
            let input = world.scheduler.scale_model_input(step, state);
            let timestep = world.scheduler.timestep(step);
            model.model_outputs(&StepInput { step: step as u32, input: &input, timestep }).unwrap().conditional
        };
        let mut states = vec![old.first_state().to_f32()];
        let mut outputs = Vec::new();
        for step in 0..8 {
            outputs.push(output(step, &states[step]));
            let state =
                next_state(&world.scheduler, dtype, old_noise, step, &states[step], &outputs[step], None).unwrap();
            states.push(state);
        }
        let mut state = world.first_state().to_f32();
        let mut wrong = Vec::new();
        for (step, known) in outputs.iter().enumerate() {
            let claimed = if step == 0 { made_up(&state, &states[1]) } else { known.clone() };
            if relative_l2(&claimed, &output(step, &state)) > 1e-3 {
                wrong.push(step);
            }
            state = next_state(&world.scheduler, dtype, noise, step, &state, &claimed, None).unwrap();
        }
        wrong
    };
    assert_eq!(wrong(None), [0]);
    assert_eq!(wrong(Some(&JobSeed::of(&world.challenge.body).step_noise())), [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// A tree that sorts each pair before hashing, has no tags and doubles the last of an odd level.
fn weak_node(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    if a <= b { sha256(&[a, b]) } else { sha256(&[b, a]) }
}

fn weak_root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| weak_node(&pair[0], pair.last().unwrap())).collect();
    }
    level[0]
}

fn weak_verify(root: &[u8; 32], leaf: &[u8; 32], path: &[[u8; 32]]) -> bool {
    path.iter().fold(*leaf, |hash, sibling| weak_node(&hash, sibling)) == *root
}

fn leaf_payloads() -> Vec<LeafPayload> {
    (0..4_u64).map(|step| LeafPayload::Final { state: Digest(bytes("state", step)) }).collect()
}

#[test]
fn sorted_pairs_do_not_bind_a_position() {
    let data: Vec<[u8; 32]> = (0..4).map(|i| bytes("leaf", i)).collect();
    let hashes: Vec<[u8; 32]> = data.iter().map(|data| sha256(&[data])).collect();
    let root = weak_root(&hashes);
    // The weak path of leaf 1 proves it wherever the miner says it is; nothing in the check asks for a place.
    assert!(weak_verify(&root, &hashes[1], &[hashes[0], weak_node(&hashes[2], &hashes[3])]));
    assert_eq!(weak_root(&[hashes[1], hashes[0], hashes[2], hashes[3]]), root, "swapped leaves, same root");

    let session = Digest(bytes("session", 0));
    let ours: Vec<Digest> =
        leaf_payloads().iter().zip(0..).map(|(payload, index)| payload.leaf_hash(&session, index)).collect();
    let tree = MerkleTree::new(&ours).unwrap();
    let path = tree.path(1).unwrap();
    let accepted: Vec<u32> = (0..4).filter(|&at| verify_path(&tree.root(), &ours[1], at, 4, &path)).collect();
    assert_eq!(accepted, [1]);
    // The index is in the leaf as well: moving the payload makes another leaf.
    assert_ne!(leaf_payloads()[1].leaf_hash(&session, 0), ours[1]);
    let swapped = MerkleTree::new(&[ours[1], ours[0], ours[2], ours[3]]).unwrap();
    assert_ne!(swapped.root(), tree.root());
}

#[test]
fn without_tags_a_node_is_a_leaf() {
    let hashes: Vec<[u8; 32]> = (0..4).map(|i| sha256(&[&bytes("leaf", i)])).collect();
    let root = weak_root(&hashes);
    // 64 bytes of "tensor" that were never a tensor: the two children of an interior node, in their order.
    let (low, high) = if hashes[0] <= hashes[1] { (hashes[0], hashes[1]) } else { (hashes[1], hashes[0]) };
    let fake_data = [low, high].concat();
    let fake_leaf = sha256(&[&fake_data]);
    assert!(weak_verify(&root, &fake_leaf, &[weak_node(&hashes[2], &hashes[3])]));

    // Ours: whatever the payload, a leaf's preimage begins with 0x00 and a node's with 0x01.
    let session = Digest(bytes("session", 0));
    let ours: Vec<Digest> =
        leaf_payloads().iter().zip(0..).map(|(payload, index)| payload.leaf_hash(&session, index)).collect();
    let node = |a: &Digest, b: &Digest| sha256(&[&[0x01], &a.0, &b.0]);
    let as_weak = sha256(&[&ours[0].0, &ours[1].0]);
    assert_ne!(node(&ours[0], &ours[1]), as_weak);
    let tree = MerkleTree::new(&ours).unwrap();
    for position in 0..4 {
        let path = [Digest(node(&ours[2], &ours[3]))];
        assert!(!verify_path(&tree.root(), &Digest(as_weak), position, 4, &path));
    }
}

#[test]
fn a_doubled_last_leaf_gives_two_lists_one_root() {
    let hashes: Vec<[u8; 32]> = (0..3).map(|i| sha256(&[&bytes("leaf", i)])).collect();
    let longer = [hashes.clone(), vec![hashes[2]]].concat();
    assert_eq!(weak_root(&hashes), weak_root(&longer), "a step more was never committed");

    let digests = |hashes: &[[u8; 32]]| hashes.iter().map(|&hash| Digest(hash)).collect::<Vec<_>>();
    let (three, four) = (MerkleTree::new(&digests(&hashes)).unwrap(), MerkleTree::new(&digests(&longer)).unwrap());
    assert_ne!(three.root(), four.root());
}

#[test]
fn leaves_sent_before_a_signature_can_be_taken_by_another() {
    // Weak: the tensors are sent around first, and leaves are their hashes. Whoever signs a root over them can open them.
    let world = World::new(&Options::default());
    let evidence = world.honest();
    let sent: Vec<&Tensor> = evidence.steps.iter().map(|step| &step.state).collect();
    let thief = SigningKey::from_bytes(&bytes("thief", 0));
    let leaves: Vec<[u8; 32]> = sent.iter().map(|tensor| sha256(&[&tensor.bytes])).collect();
    let root = weak_root(&leaves[..4]);
    let signature = thief.sign(&root);
    let opened = sha256(&[&sent[2].bytes]);
    assert!(thief.verifying_key().verify_strict(&root, &signature).is_ok());
    assert!(weak_verify(&root, &opened, &[leaves[3], weak_node(&leaves[0], &leaves[1])]));

    // Ours: the thief gets every payload and the same job, and still has no leaf that is its own.
    let mut challenge = world.challenge.body.clone();
    challenge.miner = PublicKey::from(&thief);
    let challenge = Signed::sign(challenge, &world.validator).unwrap();
    let stolen = infernet_network::proof::Evidence { challenge: challenge.clone(), ..evidence };
    let mut theirs = World::new(&Options::default());
    theirs.challenge = challenge;
    theirs.miner = thief;
    let failure = theirs.audit(&theirs.bundle(&theirs.commit(stolen))).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.leaf), (Check::InitialNoise, Some(0)));
}

#[test]
fn indices_known_before_the_commitment_are_worth_nothing() {
    // Weak: indices are drawn from what the miner knows, so it computes those steps only.
    let weak_indices = |world: &World| -> Vec<u32> {
        let drawn = sha256(&[&world.challenge.body.c]);
        let mut steps: Vec<u32> = drawn[..4].iter().map(|&byte| u32::from(byte) % world.job.steps).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    };
    let mut caught = 0;
    let jobs = 60;
    for number in 0..jobs {
        let world = World::new(&Options {
            sampler: DDIM,
            steps: 20,
            checked: 3,
            frames_checked: 1,
            number,
            ..Options::default()
        });
        let known = weak_indices(&world);
        let evidence = world.run_with(|step, _, mut honest| {
            if !known.contains(&step) {
                honest.conditional.iter_mut().for_each(|value| *value *= 0.5);
            }
            honest
        });
        let committed = world.commit(evidence);
        let audit = |steps: &[u32]| steps.iter().any(|step| !known.contains(step));
        assert!(!audit(&known), "the weak audit sees honest steps only");
        let verdict = world.audit(&world.bundle(&committed)).unwrap().verdict;
        caught += u32::from(!verdict.accepted());
    }
    // At least 16 of 20 steps are tampered: three draws miss them all less than once in 285 jobs.
    assert!(caught >= jobs as u32 - 3, "{caught} of {jobs}");
}

#[test]
fn an_unsalted_prompt_is_in_a_dictionary() {
    let dictionary = ["a cat", "a red circle moving right", "a dog"];
    let prompt = "a red circle moving right";
    let weak = sha256(&[prompt.as_bytes()]);
    assert!(dictionary.iter().any(|word| sha256(&[word.as_bytes()]) == weak));

    let opening =
        |salt, prompt: &str| PromptOpening { salt, prompt: prompt.to_owned(), negative_prompt: String::new() };
    for scheme in [CommitmentScheme::Sha256, CommitmentScheme::Keccak256] {
        let (ours, negative) = opening(bytes("salt", 0), prompt).commitments(scheme);
        for word in dictionary {
            // Without the salt the right word is as good as any other.
            for guess in [[0; 32], bytes("guess", 1)] {
                assert_ne!(opening(guess, word).commitments(scheme).0, ours);
            }
        }
        assert!(opening(bytes("salt", 0), prompt).check(&ours, &negative).is_ok());
        assert!(opening(bytes("salt", 1), prompt).check(&ours, &negative).is_err());
        // Equal prompt and negative prompt have different commitments.
        let same = PromptOpening { negative_prompt: prompt.to_owned(), ..opening(bytes("salt", 0), prompt) };
        let (a, b) = same.commitments(scheme);
        assert_ne!(a.digest, b.digest);
    }
}

#[test]
fn grinding_signatures_is_blind_without_the_nonce() {
    // Ed25519 is deterministic, but a cheating signer need not be: it tries many commitments to one cheating run and keeps
    // the one it likes. Without the nonce all it can do is guess, and the guess says nothing about the real draw.
    let world = World::new(&Options { sampler: DDIM, steps: 20, checked: 5, ..Options::default() });
    let committed = world.commit(world.honest());
    let terms: &AuditTerms = &world.challenge.body.terms;
    let tampered = |step: &u32| *step >= 10;
    let (mut kept, mut missed) = (0, 0);
    for try_number in 0..6000_u32 {
        let mut commitment = committed.commitment().clone();
        // Any change of root or signature is a new draw.
        commitment.body.root.0[..4].copy_from_slice(&try_number.to_le_bytes());
        let guessed = infernet_network::proof::AuditNonce(bytes("guessed nonce", 0));
        if Draw::new(&world.job, terms, &guessed, &commitment).steps.iter().any(tampered) {
            continue;
        }
        kept += 1;
        let real = Draw::new(&world.job, terms, &world.nonce, &commitment);
        missed += u32::from(!real.steps.iter().any(tampered));
    }
    // C(10, 5) / C(20, 5) = 1.6 %: of 6000 tries about 97 look good under the guess; under the nonce they are as any others.
    assert!(kept > 50, "{kept}");
    assert!(missed <= 8, "{missed} of {kept} ground commitments escape; 1.6 % would");
}
