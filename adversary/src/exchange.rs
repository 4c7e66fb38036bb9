//! A whole exchange made from one number: keys, job, challenge, pledges, nonces, times and bundles.

use infernet_engine::pipeline::VideoModel;
use infernet_engine::schedulers::SchedulerConfig;
use infernet_network::proof::{
    AuditNonce, AuditPolicy, AuditTerms, Auditor, Bundle, Challenge, CommitmentScheme, Committed, Digest, Draw,
    Evidence, FrameRate, JobSpec, Pledge, PromptOpening, PublicKey, Signed, SigningKey, Timing,
};
use sha2::{Digest as _, Sha256};

use crate::error::AttackError;

/// When all exchanges begin, milliseconds since 1970 UTC; early 2027.
const START_UNIX_MS: u64 = 1_800_000_000_000;
const MINUTE_MS: u64 = 60_000;
const REVEAL_WINDOW_MS: u64 = 2 * MINUTE_MS;

/// What a job asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// What to show.
    pub prompt: String,
    /// What not to show.
    pub negative_prompt: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames.
    pub frames: u32,
    /// Frame rate of the clip.
    pub frame_rate: FrameRate,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance: f32,
    /// Sampler.
    pub scheduler: SchedulerConfig,
}

/// One job between a requester, a miner and validators. Everything follows from a number: keys are worth nothing, times are
/// plausible, and nobody is late.
#[derive(Clone)]
pub struct Exchange {
    seed: u64,
    /// The job.
    pub job: JobSpec,
    /// Its prompts.
    pub opening: PromptOpening,
    /// The challenge that the miner runs it under.
    pub challenge: Signed<Challenge>,
    policy: AuditPolicy,
    trust_per_mille: u32,
    tolerance: Digest,
}

/// Who signs.
#[derive(Clone, Copy)]
enum Role {
    Requester,
    Miner,
    Validator,
    SecondValidator,
}

impl Exchange {
    /// An exchange about a job on `model`, whose digest is `digest`. It is audited as an unknown miner's is by default, under
    /// a tolerance table that does not exist: see [`with_audits`](Self::with_audits).
    ///
    /// # Errors
    /// The model can't make such a clip, or nobody can.
    pub fn new(
        seed: u64,
        model: &dyn VideoModel,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Self, AttackError> {
        let opening = PromptOpening {
            salt: derive(seed, "salt", 0),
            prompt: parameters.prompt.clone(),
            negative_prompt: parameters.negative_prompt.clone(),
        };
        let (prompt, negative_prompt) = opening.commitments(CommitmentScheme::Sha256);
        let Parameters { width, height, frames, steps, guidance, .. } = *parameters;
        let job = JobSpec {
            network: Digest(derive(0, "network", 0)),
            job_id: [0; 16],
            requester: PublicKey::from(&key(seed, Role::Requester)),
            model: digest,
            prompt,
            negative_prompt,
            width,
            height,
            frames,
            frame_rate: parameters.frame_rate,
            steps,
            guidance,
            scheduler: parameters.scheduler.clone(),
            latent_dtype: model.precision(),
            latent: model.latent_shape(width as usize, height as usize, frames as usize)?,
            shard_plan: Digest::ZERO,
            deposit_microcredits: 1_000_000,
            deadline_unix_ms: START_UNIX_MS + 60 * MINUTE_MS,
        };
        Self::about(seed, job, opening, AuditPolicy::default(), 0, Digest::ZERO)
    }

    /// A miner's side of an exchange that others began: for attacks on a real network. What it would do as a validator follows
    /// from no one's keys.
    pub fn of(job: JobSpec, opening: PromptOpening, challenge: Signed<Challenge>) -> Self {
        let seed = u64::from_le_bytes(job.job_id[..8].try_into().unwrap_or_default());
        let policy = AuditPolicy::default();
        let tolerance = challenge.body.terms.tolerance;
        Self { seed, job, opening, challenge, policy, trust_per_mille: 0, tolerance }
    }

    fn about(
        seed: u64,
        mut job: JobSpec,
        opening: PromptOpening,
        policy: AuditPolicy,
        trust_per_mille: u32,
        tolerance: Digest,
    ) -> Result<Self, AttackError> {
        let id: [u8; 32] = derive(seed, "job", 0);
        job.job_id.copy_from_slice(&id[..16]);
        job.check()?;
        let validator = key(seed, Role::Validator);
        let public = PublicKey::from(&validator);
        let challenge = Challenge {
            job: job.digest(),
            miner: PublicKey::from(&key(seed, Role::Miner)),
            validator: public,
            c: derive(seed, "challenge", 0),
            terms: policy.terms(&job, trust_per_mille, &nonce(seed, 0), &public, tolerance),
            commit_by_unix_ms: START_UNIX_MS + 30 * MINUTE_MS,
            reveal_window_ms: REVEAL_WINDOW_MS,
        };
        let challenge = Signed::sign(challenge, &validator)?;
        Ok(Self { seed, job, opening, challenge, policy, trust_per_mille, tolerance })
    }

    /// The same job, challenge and seed, to be audited this deep and by this tolerance table.
    ///
    /// # Errors
    /// None that a valid exchange has.
    pub fn with_audits(
        &self,
        policy: AuditPolicy,
        trust_per_mille: u32,
        tolerance: Digest,
    ) -> Result<Self, AttackError> {
        Self::about(self.seed, self.job.clone(), self.opening.clone(), policy, trust_per_mille, tolerance)
    }

    /// Another job with the same parameters and prompts, under another challenge: what a cheat may have in store.
    ///
    /// # Errors
    /// None that a valid exchange has.
    pub fn earlier(&self) -> Result<Self, AttackError> {
        // Far from the small numbers that callers count through.
        let seed = u64::from_le_bytes(derive(self.seed, "earlier", 0)[..8].try_into().unwrap_or_default());
        Self::about(seed, self.job.clone(), self.opening.clone(), self.policy, self.trust_per_mille, self.tolerance)
    }

    /// A record of a run as one of this exchange: the miner's first lie in many attacks, and how one honest run is audited
    /// under other [terms](Self::with_audits).
    pub fn adopt(&self, evidence: Evidence) -> Evidence {
        Evidence { job: self.job.clone(), challenge: self.challenge.clone(), ..evidence }
    }

    /// The miner commits.
    ///
    /// # Errors
    /// The record does not have the job's shapes.
    pub fn commit(&self, evidence: Evidence) -> Result<Committed, AttackError> {
        Ok(evidence.commit(&key(self.seed, Role::Miner), None)?)
    }

    /// The terms of every audit of this exchange, but for the nonce.
    pub fn terms(&self) -> &AuditTerms {
        &self.challenge.body.terms
    }

    /// What audit `number` draws.
    ///
    /// # Errors
    /// None that a valid exchange has.
    pub fn draw(&self, committed: &Committed, number: u64) -> Result<Draw, AttackError> {
        let pledge = self.pledge(number)?;
        let terms = self.auditor(pledge.as_ref()).terms();
        Ok(Draw::new(&self.job, terms, &nonce(self.seed, number), committed.commitment()))
    }

    /// The whole exchange for audit `number`: 0 is the challenge's own validator, every other number a second opinion with its
    /// own nonce under the same terms.
    ///
    /// # Errors
    /// The miner can't open what is drawn.
    pub fn bundle(&self, committed: &Committed, number: u64) -> Result<Bundle, AttackError> {
        let (pledge, nonce) = (self.pledge(number)?, nonce(self.seed, number));
        let auditor = self.auditor(pledge.as_ref());
        let reveal = committed.reveal(auditor, &nonce)?;
        let reveal = committed.sign_reveal(&reveal, auditor, &nonce, &key(self.seed, Role::Miner))?;
        let committed_unix_ms = START_UNIX_MS + 20 * MINUTE_MS;
        let nonce_published_unix_ms = committed_unix_ms + MINUTE_MS;
        Ok(Bundle {
            job: self.job.clone(),
            opening: self.opening.clone(),
            challenge: self.challenge.clone(),
            pledge,
            commitment: committed.commitment().clone(),
            nonce,
            timing: Timing {
                committed_unix_ms,
                nonce_published_unix_ms,
                revealed_unix_ms: nonce_published_unix_ms + REVEAL_WINDOW_MS / 2,
            },
            reveal: Some(reveal),
            clip: committed.evidence().clip.clone(),
        })
    }

    fn auditor<'a>(&'a self, pledge: Option<&'a Signed<Pledge>>) -> Auditor<'a> {
        match pledge {
            None => Auditor::First(&self.challenge.body),
            Some(pledge) => Auditor::Second(&pledge.body),
        }
    }

    /// The announcement of a second opinion; none for the first.
    fn pledge(&self, number: u64) -> Result<Option<Signed<Pledge>>, AttackError> {
        if number == 0 {
            return Ok(None);
        }
        let second = key(self.seed, Role::SecondValidator);
        let validator = PublicKey::from(&second);
        let job = self.challenge.body.job;
        let terms =
            AuditTerms { nonce_commitment: nonce(self.seed, number).commitment(&job, &validator), ..*self.terms() };
        let pledge = Pledge { job, validator, terms, reveal_window_ms: REVEAL_WINDOW_MS };
        Ok(Some(Signed::sign(pledge, &second)?))
    }
}

fn nonce(seed: u64, number: u64) -> AuditNonce {
    AuditNonce(derive(seed, "nonce", number))
}

fn key(seed: u64, role: Role) -> SigningKey {
    SigningKey::from_bytes(&derive(seed, "key", role as u64))
}

/// 32 bytes for a use; no use is the beginning of another with a NUL after it.
fn derive(seed: u64, what: &str, number: u64) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update("infernet/adversary\0");
    hasher.update(what);
    hasher.update([0]);
    hasher.update(seed.to_le_bytes());
    hasher.update(number.to_le_bytes());
    hasher.finalize().into()
}
