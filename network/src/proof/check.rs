//! The checks of an audit, in the order they are made.

use serde::{Deserialize, Serialize};

use super::codec::{Reader, Writer};
use super::error::DecodeError;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $proof:ident;)*) => {
        /// A check. Cheap ones come first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Check { $($(#[$doc])* $variant = $code,)* }

        impl Check {
            /// All checks, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What a failure rests on.
            pub fn proof(self) -> Proof {
                match self { $(Self::$variant => Proof::$proof,)* }
            }
        }
    };
}

/// What a failure rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Bytes that the miner signed: anyone confirms it, to the bit.
    Signed,
    /// Bytes that the miner signed and a run of the model: anyone with the model confirms it, within tolerance.
    Measured,
    /// The validator's word: when something came, or that it came from the miner at all. Nobody may be slashed for it on one
    /// validator's word.
    Attested,
}

checks! {
    /// The commitment is signed by the challenged miner.
    CommitmentSignature = 1, "commitment_signature", Attested;
    /// The commitment is an answer to this challenge. Not the miner's fault by itself: the validator chose what to put
    /// beside it.
    CommitmentSession = 2, "commitment_session", Attested;
    /// The commitment has the job, seed and number of leaves that follow from the challenge.
    CommitmentFields = 3, "commitment_fields", Signed;
    /// The commitment came in time.
    CommitmentDeadline = 4, "commitment_deadline", Attested;
    /// There is a reveal.
    RevealPresent = 5, "reveal_present", Attested;
    /// The reveal is signed by the miner, for this commitment, validator and nonce.
    RevealSignature = 6, "reveal_signature", Attested;
    /// The reveal came in time.
    RevealDeadline = 7, "reveal_deadline", Attested;
    /// The reveal is not larger than what was asked for can be.
    RevealSize = 8, "reveal_size", Signed;
    /// The reveal is the canonical encoding of opened leaves.
    RevealEncoding = 9, "reveal_encoding", Signed;
    /// Exactly the leaves that were drawn are opened, each with what belongs to it.
    RevealLeaves = 10, "reveal_leaves", Signed;
    /// Every leaf is at its position under the root.
    MerklePath = 11, "merkle_path", Signed;
    /// Number formats, shapes and sizes are the job's.
    TensorFormat = 12, "tensor_format", Signed;
    /// Tensors are those whose digests were committed.
    PayloadDigest = 13, "payload_digest", Signed;
    /// No number is infinite or not a number.
    FiniteValues = 14, "finite_values", Signed;
    /// Timesteps and noise levels are the job's.
    Schedule = 15, "schedule", Signed;
    /// The clip in the tree is the clip in the signature.
    ClipBinding = 16, "clip_binding", Signed;
    /// The delivered clip is the committed one.
    ClipDelivery = 17, "clip_delivery", Attested;
    /// The clip is not larger than its raw pixels.
    ClipSize = 18, "clip_size", Signed;
    /// The first state is the noise of the seed.
    InitialNoise = 19, "initial_noise", Signed;
    /// Each checked step leads to the state that was committed next.
    Transition = 20, "transition", Signed;
    /// The text embeddings are those of the revealed prompt.
    TextEmbeddings = 21, "text_embeddings", Measured;
    /// Model outputs are the validator's, as a whole.
    ModelOutput = 22, "model_output", Measured;
    /// Model outputs are the validator's, in every frame.
    ModelOutputWorstFrame = 23, "model_output_worst_frame", Measured;
    /// Decoded frames are the validator's.
    DecodedFrame = 24, "decoded_frame", Measured;
    /// The clip can be decoded, to the right number and size of frames.
    ClipDecodes = 25, "clip_decodes", Measured;
    /// The clip shows the committed frames.
    ClipFrame = 26, "clip_frame", Measured;
}

impl Check {
    /// The check of a code.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|check| *check as u8 == code)
    }

    /// Whether this check needs the model.
    pub fn needs_model(self) -> bool {
        self >= Self::TextEmbeddings
    }
}

/// One check made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which.
    pub check: Check,
    /// At which leaf, where it is about one.
    pub leaf: Option<u32>,
    /// Whether it held.
    pub passed: bool,
    /// Measured error, where there is one: relative L2, or root mean square in 8-bit levels for pictures.
    pub error: Option<f64>,
    /// Its bound, in the same unit.
    pub bound: Option<f64>,
}

/// The check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Which.
    pub check: Check,
    /// At which leaf.
    pub leaf: Option<u32>,
}

/// Rows as programs print them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// Whether the run is accepted.
    pub accepted: bool,
    /// Name of the check that failed.
    pub failed_check: Option<&'static str>,
    /// At which leaf.
    pub leaf: Option<u32>,
    /// What the failure rests on.
    pub proof: Option<Proof>,
    /// All checks made.
    pub checks: Vec<CheckRow>,
}

/// One row of a [`CheckReport`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckRow {
    /// Name of the check.
    pub name: &'static str,
    /// Whether it held.
    pub ok: bool,
    /// At which leaf.
    pub leaf: Option<u32>,
    /// Measured error.
    pub error: Option<f64>,
    /// Its bound.
    pub bound: Option<f64>,
}

impl CheckReport {
    /// Of the rows of a verdict, or of the checks that need no model (which accept nothing).
    pub fn new(rows: &[CheckResult], accepted: bool) -> Self {
        let failure = rows.last().and_then(CheckResult::failure);
        let row = |row: &CheckResult| CheckRow {
            name: row.check.name(),
            ok: row.passed,
            leaf: row.leaf,
            error: row.error,
            bound: row.bound,
        };
        Self {
            accepted,
            failed_check: failure.map(|failure| failure.check.name()),
            leaf: failure.and_then(|failure| failure.leaf),
            proof: failure.map(|failure| failure.check.proof()),
            checks: rows.iter().map(row).collect(),
        }
    }
}

/// Stops an audit; the failed row is already noted.
pub(crate) struct Stop;

/// Checks as they are made.
#[derive(Default)]
pub(crate) struct Rows(pub(crate) Vec<CheckResult>);

impl Rows {
    /// Notes a yes-or-no check.
    pub(crate) fn exact(&mut self, check: Check, leaf: Option<u32>, passed: bool) -> Result<(), Stop> {
        self.note(CheckResult { check, leaf, passed, error: None, bound: None })
    }

    /// Notes a check over several leaves: one row when all hold, the first leaf that fails otherwise.
    pub(crate) fn each(&mut self, check: Check, leaves: impl IntoIterator<Item = (u32, bool)>) -> Result<(), Stop> {
        let failed = leaves.into_iter().find(|(_, passed)| !passed);
        self.exact(check, failed.map(|(leaf, _)| leaf), failed.is_none())
    }

    /// Notes a measurement.
    pub(crate) fn measured(&mut self, check: Check, leaf: u32, error: f64, bound: f64) -> Result<(), Stop> {
        let passed = error <= bound;
        self.note(CheckResult { check, leaf: Some(leaf), passed, error: Some(error), bound: Some(bound) })
    }

    fn note(&mut self, row: CheckResult) -> Result<(), Stop> {
        self.0.push(row);
        if row.passed { Ok(()) } else { Err(Stop) }
    }
}

impl CheckResult {
    /// The failure this row is, if it is one.
    pub fn failure(&self) -> Option<Failure> {
        (!self.passed).then_some(Failure { check: self.check, leaf: self.leaf })
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(self.check as u8).flag(self.passed);
        out.flag(self.leaf.is_some()).u32(self.leaf.unwrap_or(0));
        out.flag(self.error.is_some()).f64(self.error.unwrap_or(0.0)).f64(self.bound.unwrap_or(0.0));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = reader.u8("check")?;
        let known = || DecodeError::invalid("check", code.to_string(), format!("1 to {}", Check::ALL.len()));
        let check = Check::from_code(code).ok_or_else(known)?;
        let passed = reader.flag("passed")?;
        let (has_leaf, leaf) = (reader.flag("leaf")?, reader.u32("leaf")?);
        let (is_measured, error, bound) = (reader.flag("measured")?, reader.f64("error")?, reader.f64("bound")?);
        if (!has_leaf && leaf != 0) || (!is_measured && (error != 0.0 || bound != 0.0)) {
            return Err(DecodeError::invalid("check", "a value that is switched off", "zero there"));
        }
        if is_measured && passed != (error <= bound) {
            return Err(DecodeError::invalid("check", "a result that its error and bound deny", "a consistent row"));
        }
        let (error, bound) = if is_measured { (Some(error), Some(bound)) } else { (None, None) };
        Ok(Self { check, leaf: has_leaf.then_some(leaf), passed, error, bound })
    }
}
