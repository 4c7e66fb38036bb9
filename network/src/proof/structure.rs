//! The part of an audit that needs no model: who signed what when, what was opened, and whether it fits together.

use std::collections::BTreeMap;

use infernet_engine::pipeline::{Precision, StepNoise, guided_output, next_state};
use infernet_engine::schedulers::{Previous, Scheduler};

use super::bundle::Bundle;
use super::check::{Check, CheckResult, Failure, Rows, Stop};
use super::error::AuditError;
use super::indices::Draw;
use super::job::{JobSpec, LeafPosition};
use super::leaf::LeafPayload;
use super::merkle::verify_path;
use super::reveal::{Contents, OpenedLeaf, Reveal};
use super::reveal_plan::{ContentKind, RevealPlan, checked_transitions};
use super::seed::JobSeed;
use super::tensor::Tensor;

/// Outcome of the checks that need no model.
#[derive(Clone, Debug)]
pub struct Structure {
    /// The checks made, up to the first that failed.
    pub rows: Vec<CheckResult>,
    /// What was opened, where all of them held.
    pub opened: Option<Opened>,
}

/// Opened leaves whose structure holds.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The job's sampler.
    pub scheduler: Scheduler,
    /// What was drawn.
    pub draw: Draw,
    /// The leaves, by index.
    pub leaves: BTreeMap<u32, OpenedLeaf>,
}

impl Structure {
    /// The check that failed, if one did.
    pub fn failure(&self) -> Option<Failure> {
        self.rows.last().and_then(CheckResult::failure)
    }
}

/// Makes the checks that need no model, cheapest first, up to the first failure.
///
/// # Errors
/// The job, the validator's own statements or the prompt can't be used: nothing is said about the miner.
pub fn check_structure(bundle: &Bundle) -> Result<Structure, AuditError> {
    bundle.job.check()?;
    let scheduler = bundle.job.scheduler()?;
    check_validator(bundle)?;
    bundle.opening.check(&bundle.job.prompt, &bundle.job.negative_prompt)?;
    let mut rows = Rows::default();
    let opened = check_miner(bundle, scheduler, &mut rows).ok();
    Ok(Structure { rows: rows.0, opened })
}

fn check_validator(bundle: &Bundle) -> Result<(), AuditError> {
    let fail = |what, reason| Err(AuditError::Validator { what, reason });
    let job = bundle.job.digest();
    let challenge = &bundle.challenge.body;
    if challenge.job != job {
        return fail("challenge", "it is for another job");
    }
    if !bundle.challenge.verify() {
        return fail("challenge", "its signature does not hold");
    }
    if challenge.commit_by_unix_ms > bundle.job.deadline_unix_ms {
        return fail("challenge", "it ends after the job's deadline");
    }
    challenge.terms.check(&bundle.job, "challenge")?;
    if let Some(pledge) = &bundle.pledge {
        if pledge.body.job != job {
            return fail("pledge", "it is for another job");
        }
        if !pledge.verify() {
            return fail("pledge", "its signature does not hold");
        }
        pledge.body.terms.check(&bundle.job, "pledge")?;
    }
    let auditor = bundle.auditor();
    if bundle.nonce.commitment(&job, auditor.validator()) != auditor.terms().nonce_commitment {
        return fail("nonce", "it is not the one that was announced before the run");
    }
    Ok(())
}

fn check_miner(bundle: &Bundle, scheduler: Scheduler, rows: &mut Rows) -> Result<Opened, Stop> {
    let (job, challenge) = (&bundle.job, &bundle.challenge.body);
    let commitment = &bundle.commitment.body;
    let signed = commitment.miner == challenge.miner && bundle.commitment.verify();
    rows.exact(Check::CommitmentSignature, None, signed)?;
    rows.exact(Check::CommitmentSession, None, commitment.session == challenge.session())?;
    let follows = commitment.job == challenge.job
        && commitment.seed == JobSeed::of(challenge).0
        && commitment.leaf_count == job.leaf_count();
    rows.exact(Check::CommitmentFields, None, follows)?;
    let Timing { committed, published, revealed } = Timing::of(bundle);
    rows.exact(Check::CommitmentDeadline, None, committed <= challenge.commit_by_unix_ms)?;

    rows.exact(Check::RevealPresent, None, bundle.reveal.is_some())?;
    let Some(signed) = &bundle.reveal else { return Err(Stop) };
    let auditor = bundle.auditor();
    let by_miner = signed.verify(&bundle.commitment, auditor, &bundle.nonce);
    rows.exact(Check::RevealSignature, None, by_miner)?;
    rows.exact(Check::RevealDeadline, None, revealed <= published.saturating_add(auditor.reveal_window_ms()))?;
    let draw = Draw::new(job, auditor.terms(), &bundle.nonce, &bundle.commitment);
    let plan = RevealPlan::new(job, &scheduler, &draw);
    rows.exact(Check::RevealSize, None, signed.bytes.len() as u64 <= plan.max_bytes(job))?;
    let reveal = Reveal::from_bytes(&signed.bytes);
    rows.exact(Check::RevealEncoding, None, reveal.is_ok())?;
    let Ok(reveal) = reveal else { return Err(Stop) };

    check_leaves(job, &plan, &reveal, rows)?;
    let session = challenge.session();
    let count = commitment.leaf_count;
    let paths = reveal.leaves.iter().map(|leaf| {
        let hash = leaf.payload.leaf_hash(&session, leaf.index);
        (leaf.index, verify_path(&commitment.root, &hash, leaf.index, count, &leaf.path))
    });
    rows.each(Check::MerklePath, paths)?;
    check_tensors(job, &reveal, rows)?;
    let leaves: BTreeMap<u32, OpenedLeaf> = reveal.leaves.into_iter().map(|leaf| (leaf.index, leaf)).collect();
    let opened = Opened { scheduler, draw, leaves };
    rows.each(Check::Schedule, opened.leaves.values().map(|leaf| (leaf.index, opened.has_schedule(leaf))))?;

    let clip_leaf = job.leaf_index(LeafPosition::Clip);
    let in_tree = LeafPayload::Clip { clip: commitment.clip };
    rows.exact(Check::ClipBinding, Some(clip_leaf), opened.payload(clip_leaf) == Some(&in_tree))?;
    let delivered = LeafPayload::clip_digest(&bundle.clip) == commitment.clip;
    rows.exact(Check::ClipDelivery, Some(clip_leaf), delivered)?;
    rows.exact(Check::ClipSize, Some(clip_leaf), bundle.clip.len() as u64 <= job.max_clip_bytes())?;

    let seed = JobSeed::of(challenge);
    let noise = seed.initial_state(job, &opened.scheduler).digest();
    let first = opened.payload(0).and_then(LeafPayload::state);
    rows.exact(Check::InitialNoise, Some(0), first == Some(&noise))?;
    let noise = seed.step_noise();
    let transitions = checked_transitions(job, &opened.draw).map(|step| (step, opened.leads_on(job, &noise, step)));
    rows.each(Check::Transition, transitions)?;
    Ok(opened)
}

struct Timing {
    committed: u64,
    published: u64,
    revealed: u64,
}

impl Timing {
    fn of(bundle: &Bundle) -> Self {
        let timing = bundle.timing;
        Self {
            committed: timing.committed_unix_ms,
            published: timing.nonce_published_unix_ms,
            revealed: timing.revealed_unix_ms,
        }
    }
}

/// Exactly the planned leaves, each of the kind and with the contents that belong there.
fn check_leaves(job: &JobSpec, plan: &RevealPlan, reveal: &Reveal, rows: &mut Rows) -> Result<(), Stop> {
    let mut asked = plan.leaves.iter();
    let mut given = reveal.leaves.iter();
    loop {
        let (leaf, passed) = match (asked.next(), given.next()) {
            (None, None) => break,
            (Some((&index, &kind)), Some(leaf)) => (index, leaf.index == index && fits(job, kind, leaf)),
            (Some((&index, _)), None) => (index, false),
            (None, Some(leaf)) => (leaf.index, false),
        };
        if !passed {
            return rows.exact(Check::RevealLeaves, Some(leaf), false);
        }
    }
    rows.exact(Check::RevealLeaves, None, true)
}

fn fits(job: &JobSpec, kind: ContentKind, leaf: &OpenedLeaf) -> bool {
    let guided = job.is_guided();
    let branches = match &leaf.payload {
        LeafPayload::Step { unconditional, .. } | LeafPayload::Text { unconditional, .. } => {
            unconditional.is_some() == guided
        }
        _ => true,
    };
    let contents = match (kind, &leaf.payload, &leaf.contents) {
        (ContentKind::Digests, _, Contents::Digests)
        | (ContentKind::Tensors, LeafPayload::Final { .. }, Contents::State(_))
        | (ContentKind::Tensors, LeafPayload::Frame { .. }, Contents::Frame(_)) => true,
        (ContentKind::Tensors, LeafPayload::Step { .. }, Contents::Step { unconditional, .. }) => {
            unconditional.is_some() == guided
        }
        _ => false,
    };
    branches && contents && job.leaf_position(leaf.index).is_some_and(|position| leaf.payload.fits(position))
}

fn check_tensors(job: &JobSpec, reveal: &Reveal, rows: &mut Rows) -> Result<(), Stop> {
    let dims = job.latent_dims();
    let format = |leaf: &OpenedLeaf| match &leaf.contents {
        Contents::Digests => true,
        Contents::Step { state, conditional, unconditional } => {
            state.has_format(job.latent_dtype, &dims)
                && conditional.has_format(Precision::F32, &dims)
                && unconditional.as_ref().is_none_or(|tensor| tensor.has_format(Precision::F32, &dims))
        }
        Contents::State(state) => state.has_format(job.latent_dtype, &dims),
        Contents::Frame(frame) => frame.has_format(job.width, job.height),
    };
    rows.each(Check::TensorFormat, reveal.leaves.iter().map(|leaf| (leaf.index, format(leaf))))?;
    rows.each(Check::PayloadDigest, reveal.leaves.iter().map(|leaf| (leaf.index, has_its_digests(leaf))))?;
    let finite = |leaf: &OpenedLeaf| match &leaf.contents {
        Contents::Digests | Contents::Frame(_) => true,
        Contents::Step { state, conditional, unconditional } => {
            state.is_finite() && conditional.is_finite() && unconditional.as_ref().is_none_or(Tensor::is_finite)
        }
        Contents::State(state) => state.is_finite(),
    };
    rows.each(Check::FiniteValues, reveal.leaves.iter().map(|leaf| (leaf.index, finite(leaf))))
}

fn has_its_digests(leaf: &OpenedLeaf) -> bool {
    match (&leaf.payload, &leaf.contents) {
        (_, Contents::Digests) => true,
        (
            LeafPayload::Step { state, conditional, unconditional, .. },
            Contents::Step { state: x, conditional: with, unconditional: without },
        ) => {
            x.digest() == *state
                && with.digest() == *conditional
                && without.as_ref().map(Tensor::digest) == *unconditional
        }
        (LeafPayload::Final { state }, Contents::State(x)) => x.digest() == *state,
        (LeafPayload::Frame { frame }, Contents::Frame(picture)) => picture.digest() == *frame,
        _ => false,
    }
}

impl Opened {
    /// Payload of an opened leaf.
    pub fn payload(&self, index: u32) -> Option<&LeafPayload> {
        self.leaves.get(&index).map(|leaf| &leaf.payload)
    }

    /// State and guided model output of an opened step.
    pub(crate) fn guided(&self, job: &JobSpec, step: u32) -> Option<(Vec<f32>, Vec<f32>)> {
        let Contents::Step { state, conditional, unconditional } = &self.leaves.get(&step)?.contents else {
            return None;
        };
        let unconditional = unconditional.as_ref().map(Tensor::to_f32);
        let guided = guided_output(conditional.to_f32(), unconditional.as_deref(), job.guidance);
        Some((state.to_f32(), guided))
    }

    fn has_schedule(&self, leaf: &OpenedLeaf) -> bool {
        match leaf.payload {
            LeafPayload::Step { timestep_bits, sigma_bits, .. } => {
                let step = leaf.index as usize;
                self.scheduler.timestep(step).to_bits() == timestep_bits
                    && self.scheduler.sigma(step).to_bits() == sigma_bits
            }
            _ => true,
        }
    }

    /// Whether a step, made again from what was committed, gives the state that was committed next.
    fn leads_on(&self, job: &JobSpec, noise: &StepNoise, step: u32) -> bool {
        let next = || {
            let (state, guided) = self.guided(job, step)?;
            if !guided.iter().all(|value| value.is_finite()) {
                return None;
            }
            let before = if self.scheduler.needs_previous(step as usize) {
                Some(self.guided(job, step.checked_sub(1)?)?)
            } else {
                None
            };
            let before = before.as_ref().map(|(sample, model_output)| Previous { sample, model_output });
            let (dtype, index) = (job.latent_dtype, step as usize);
            let next = next_state(&self.scheduler, dtype, Some(noise), index, &state, &guided, before).ok()?;
            let finite = next.iter().all(|value| value.is_finite());
            finite.then(|| Tensor::from_f32(&next, job.latent_dtype, &job.latent_dims()).digest())
        };
        // The leaf after the last step is the final state's.
        let committed = self.payload(step + 1).and_then(LeafPayload::state);
        next().is_some_and(|digest| committed == Some(&digest))
    }
}
