//! A miner's own record of a run: everything that is committed, from which any draw can be opened.

use ed25519_dalek::SigningKey;
use infernet_engine::pipeline::Precision;

use super::bytes::Digest;
use super::challenge::{AuditNonce, Auditor, Challenge};
use super::codec::{Reader, Writer};
use super::commitment::{Commitment, GroupRoot};
use super::error::{DecodeError, EvidenceError};
use super::indices::Draw;
use super::job::{JobSpec, LeafPosition};
use super::leaf::LeafPayload;
use super::merkle::MerkleTree;
use super::reexecution::TextEmbeddings;
use super::reveal::{Contents, OpenedLeaf, Reveal, SignedReveal};
use super::reveal_plan::{ContentKind, RevealPlan};
use super::seed::JobSeed;
use super::signed::{Signed, public_key};
use super::tensor::{RgbFrame, Tensor};

const MAGIC: &[u8; 8] = b"infevid1";
/// Largest record read.
const MAX_BYTES: u64 = 32 << 30;
const LEAST_TENSOR_BYTES: usize = 1 + 1 + 8;

/// Tensors of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTensors {
    /// State before the step, in the job's latent dtype.
    pub state: Tensor,
    /// Model output with the prompt, f32.
    pub conditional: Tensor,
    /// Model output with the negative prompt, f32; only where guidance is on.
    pub unconditional: Option<Tensor>,
}

/// Everything a run made.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Job.
    pub job: JobSpec,
    /// Challenge it ran under.
    pub challenge: Signed<Challenge>,
    /// Text embeddings that the model was given.
    pub text: TextEmbeddings,
    /// Steps, first to last.
    pub steps: Vec<StepTensors>,
    /// Final state, in the job's latent dtype.
    pub final_state: Tensor,
    /// Decoded frames.
    pub frames: Vec<RgbFrame>,
    /// The encoded clip.
    pub clip: Vec<u8>,
}

impl Evidence {
    /// Hashes everything and signs the root.
    ///
    /// # Errors
    /// A tensor does not have the job's shape, or the challenge is not for this job and key.
    pub fn commit(self, key: &SigningKey, group: Option<GroupRoot>) -> Result<Committed, EvidenceError> {
        self.job.check()?;
        let challenge = &self.challenge.body;
        let job = self.job.digest();
        if challenge.job != job {
            return Err(EvidenceError::Challenge("it names another job"));
        }
        if challenge.miner != public_key(key) {
            return Err(EvidenceError::Challenge("it names another miner"));
        }
        if !self.challenge.verify() {
            return Err(EvidenceError::Challenge("its signature does not hold"));
        }
        self.check_shapes()?;
        let (payloads, tree) = self.tree()?;
        let commitment = Commitment {
            job,
            session: challenge.session(),
            miner: challenge.miner,
            seed: JobSeed::of(challenge).0,
            root: tree.root(),
            leaf_count: self.job.leaf_count(),
            clip: LeafPayload::clip_digest(&self.clip),
            group,
        };
        let commitment =
            Signed::sign(commitment, key).map_err(|_| EvidenceError::Challenge("it names another miner"))?;
        Ok(Committed { evidence: self, payloads, tree, commitment })
    }

    /// Picks up a run that was committed before, from its record.
    ///
    /// # Errors
    /// The record is not the one the commitment is about.
    pub fn resume(self, commitment: Signed<Commitment>) -> Result<Committed, EvidenceError> {
        self.job.check()?;
        self.check_shapes()?;
        let (payloads, tree) = self.tree()?;
        if tree.root() != commitment.body.root || self.challenge.body.session() != commitment.body.session {
            return Err(EvidenceError::Challenge("the record and the commitment are of different runs"));
        }
        Ok(Committed { evidence: self, payloads, tree, commitment })
    }

    fn tree(&self) -> Result<(Vec<LeafPayload>, MerkleTree), EvidenceError> {
        let payloads = self.payloads()?;
        let session = self.challenge.body.session();
        let hashes: Vec<Digest> =
            payloads.iter().zip(0..).map(|(payload, index)| payload.leaf_hash(&session, index)).collect();
        let empty = || EvidenceError::Challenge("there is nothing to commit");
        Ok((payloads, MerkleTree::new(&hashes).ok_or_else(empty)?))
    }

    /// Payloads of all leaves, in order.
    fn payloads(&self) -> Result<Vec<LeafPayload>, EvidenceError> {
        let scheduler = self.job.scheduler()?;
        let steps = self.steps.iter().enumerate().map(|(step, tensors)| LeafPayload::Step {
            state: tensors.state.digest(),
            conditional: tensors.conditional.digest(),
            unconditional: tensors.unconditional.as_ref().map(Tensor::digest),
            timestep_bits: scheduler.timestep(step).to_bits(),
            sigma_bits: scheduler.sigma(step).to_bits(),
        });
        let frames = self.frames.iter().map(|frame| LeafPayload::Frame { frame: frame.digest() });
        let ends = [
            LeafPayload::Clip { clip: LeafPayload::clip_digest(&self.clip) },
            LeafPayload::Text {
                conditional: self.text.conditional.digest(),
                unconditional: self.text.unconditional.as_ref().map(Tensor::digest),
            },
        ];
        let last = LeafPayload::Final { state: self.final_state.digest() };
        Ok(steps.chain(std::iter::once(last)).chain(frames).chain(ends).collect())
    }

    fn check_shapes(&self) -> Result<(), EvidenceError> {
        let job = &self.job;
        let count = |what: &str, found: usize, expected: u32| {
            if found == expected as usize {
                return Ok(());
            }
            Err(shape_error(format!("the number of {what}"), found.to_string(), expected.to_string()))
        };
        count("steps", self.steps.len(), job.steps)?;
        count("frames", self.frames.len(), job.frames)?;
        let dims = job.latent_dims();
        let tensor = |what: String, tensor: &Tensor, dtype: Precision| {
            if tensor.has_format(dtype, &dims) {
                return Ok(());
            }
            let found = format!("{} {:?}, {} bytes", tensor.dtype.name(), tensor.dims, tensor.bytes.len());
            Err(shape_error(what, found, format!("{} {dims:?}", dtype.name())))
        };
        for (step, tensors) in self.steps.iter().enumerate() {
            tensor(format!("state {step}"), &tensors.state, job.latent_dtype)?;
            tensor(format!("conditional output {step}"), &tensors.conditional, Precision::F32)?;
            if tensors.unconditional.is_some() != job.is_guided() {
                let found = if job.is_guided() { "missing" } else { "there" };
                return Err(shape_error(format!("unconditional output {step}"), found, "one where guidance is on"));
            }
            if let Some(output) = &tensors.unconditional {
                tensor(format!("unconditional output {step}"), output, Precision::F32)?;
            }
        }
        tensor("the final state".to_owned(), &self.final_state, job.latent_dtype)?;
        for (index, frame) in self.frames.iter().enumerate() {
            if !frame.has_format(job.width, job.height) {
                let found = format!("{} x {}, {} bytes", frame.width, frame.height, frame.pixels.len());
                return Err(shape_error(format!("frame {index}"), found, format!("{} x {}", job.width, job.height)));
            }
        }
        if self.clip.len() as u64 > job.max_clip_bytes() {
            let found = format!("{} bytes", self.clip.len());
            return Err(shape_error("the clip".to_owned(), found, format!("at most {}", job.max_clip_bytes())));
        }
        Ok(())
    }

    /// The canonical encoding of the record.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(MAGIC);
        self.job.write(&mut out);
        self.challenge.write(&mut out);
        self.text.conditional.write(&mut out);
        write_optional(self.text.unconditional.as_ref(), &mut out);
        // Counts are the job's, which are far below u32::MAX.
        out.u32(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        for step in &self.steps {
            step.state.write(&mut out);
            step.conditional.write(&mut out);
            write_optional(step.unconditional.as_ref(), &mut out);
        }
        self.final_state.write(&mut out);
        out.u32(u32::try_from(self.frames.len()).unwrap_or(u32::MAX));
        for frame in &self.frames {
            frame.write(&mut out);
        }
        out.bytes(&self.clip);
        out.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(DecodeError::TooLong { field: "evidence", found: bytes.len() as u64, limit: MAX_BYTES });
        }
        Reader::whole(bytes, |reader| {
            reader.magic("evidence", MAGIC)?;
            let job = JobSpec::read(reader)?;
            let challenge = Signed::read(reader, Challenge::read)?;
            let text = TextEmbeddings { conditional: Tensor::read(reader)?, unconditional: read_optional(reader)? };
            let steps = reader.count("steps", job.steps, 2 * LEAST_TENSOR_BYTES + 1)?;
            let steps = (0..steps)
                .map(|_| {
                    Ok(StepTensors {
                        state: Tensor::read(reader)?,
                        conditional: Tensor::read(reader)?,
                        unconditional: read_optional(reader)?,
                    })
                })
                .collect::<Result<_, _>>()?;
            let final_state = Tensor::read(reader)?;
            let frames = reader.count("frames", job.frames, 16)?;
            let frames = (0..frames).map(|_| RgbFrame::read(reader)).collect::<Result<_, _>>()?;
            let clip = reader.bytes("clip", job.max_clip_bytes())?.to_vec();
            Ok(Self { job, challenge, text, steps, final_state, frames, clip })
        })
    }
}

fn shape_error(what: String, found: impl Into<String>, expected: impl Into<String>) -> EvidenceError {
    EvidenceError::Shape { what, found: found.into(), expected: expected.into() }
}

fn write_optional(tensor: Option<&Tensor>, out: &mut Writer) {
    out.flag(tensor.is_some());
    if let Some(tensor) = tensor {
        tensor.write(out);
    }
}

fn read_optional(reader: &mut Reader<'_>) -> Result<Option<Tensor>, DecodeError> {
    Ok(if reader.flag("optional tensor")? { Some(Tensor::read(reader)?) } else { None })
}

/// A record that was committed to. Its tensors stay private until a draw asks for some.
#[derive(Clone)]
pub struct Committed {
    evidence: Evidence,
    payloads: Vec<LeafPayload>,
    tree: MerkleTree,
    commitment: Signed<Commitment>,
}

impl Committed {
    /// What goes to the validator.
    pub fn commitment(&self) -> &Signed<Commitment> {
        &self.commitment
    }

    /// The record.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Opens what a validator's nonce draws: the challenge's own, or a second validator's with its pledged terms. The caller
    /// sees to it that the commitment has been delivered.
    ///
    /// # Errors
    /// The nonce is not the one that was announced, or the terms can't be met.
    pub fn reveal(&self, auditor: Auditor<'_>, nonce: &AuditNonce) -> Result<Reveal, EvidenceError> {
        let (job, terms) = (&self.evidence.job, auditor.terms());
        if nonce.commitment(&self.commitment.body.job, auditor.validator()) != terms.nonce_commitment {
            return Err(EvidenceError::Nonce);
        }
        terms.check(job, "terms").map_err(|_| EvidenceError::Challenge("its terms can't be met"))?;
        let draw = Draw::new(job, terms, nonce, &self.commitment);
        let plan = RevealPlan::new(job, &job.scheduler()?, &draw);
        let leaves = plan.leaves.iter().filter_map(|(&index, &kind)| self.open(index, kind)).collect();
        Ok(Reveal { leaves })
    }

    /// Signs a reveal.
    ///
    /// # Errors
    /// The key is not the one that signed the commitment.
    pub fn sign_reveal(
        &self,
        reveal: &Reveal,
        auditor: Auditor<'_>,
        nonce: &AuditNonce,
        key: &SigningKey,
    ) -> Result<SignedReveal, super::WrongKey> {
        SignedReveal::sign(reveal.to_bytes(), &self.commitment, auditor, nonce, key)
    }

    /// One leaf; `None` past the last.
    pub fn open(&self, index: u32, kind: ContentKind) -> Option<OpenedLeaf> {
        let payload = self.payloads.get(index as usize)?.clone();
        let contents = match (kind, self.evidence.job.leaf_position(index)?) {
            (ContentKind::Tensors, LeafPosition::Step(step)) => {
                let tensors = self.evidence.steps.get(step as usize)?.clone();
                let StepTensors { state, conditional, unconditional } = tensors;
                Contents::Step { state, conditional, unconditional }
            }
            (ContentKind::Tensors, LeafPosition::Final) => Contents::State(self.evidence.final_state.clone()),
            (ContentKind::Tensors, LeafPosition::Frame(frame)) => {
                Contents::Frame(self.evidence.frames.get(frame as usize)?.clone())
            }
            _ => Contents::Digests,
        };
        Some(OpenedLeaf { index, payload, path: self.tree.path(index)?, contents })
    }
}
