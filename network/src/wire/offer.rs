//! Who a peer is, and what a miner offers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::body::Body;
use super::chain::EvmAddress;
use super::error::WireError;
use super::field::{Fields, fixed, list};
use crate::proof::Digest;

/// What a peer does; several at once are fine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(pub u8);

impl Roles {
    /// Only looks on.
    pub const NONE: Self = Self(0);
    /// Makes clips.
    pub const MINER: Self = Self(1);
    /// Audits, and keeps the ledger.
    pub const VALIDATOR: Self = Self(2);
    /// Pays for clips.
    pub const REQUESTER: Self = Self(4);
    /// Relays connections of peers behind NATs.
    pub const RELAY: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::MINER, "miner"),
        (Self::VALIDATOR, "validator"),
        (Self::REQUESTER, "requester"),
        (Self::RELAY, "relay"),
    ];

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(role, _)| self.has(*role)).map(|(_, name)| name)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.names();
        f.write_str(names.next().unwrap_or("none"))?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

/// The first thing two peers say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol version spoken; peers of another one part.
    pub protocol: u16,
    /// Which network; peers of another one part.
    #[serde(with = "fixed")]
    pub network: Digest,
    /// What this peer does.
    pub roles: Roles,
    /// Name and version of the program, for people.
    pub software: String,
}

impl Hello {
    /// The version of the conversation that follows.
    pub const PROTOCOL: u16 = 1;
    /// Longest name of a program in bytes.
    pub const MAX_SOFTWARE_BYTES: usize = 64;
}

impl Body for Hello {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).text("software", &self.software, Self::MAX_SOFTWARE_BYTES)
    }
}

/// A model that a miner can run now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferedModel {
    /// Digest of the model's files, number type and quantisation.
    #[serde(with = "fixed")]
    pub digest: Digest,
    /// Number type it is run in: `f32`, `f16`, `bf16`.
    pub dtype: String,
    /// Most frames of a clip.
    pub max_frames: u32,
    /// Widest clip in pixels.
    pub max_width: u32,
    /// Tallest clip in pixels.
    pub max_height: u32,
    /// Measured time of one model evaluation at the largest size, in seconds.
    pub seconds_per_evaluation: f64,
    /// Least price of a denoising step in micro-credits.
    pub price_microcredits_per_step: u64,
}

/// A miner's heartbeat: what it would do now, and why it would not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MinerOffer {
    /// Models, at most [`MAX_MODELS`](Self::MAX_MODELS).
    #[serde(deserialize_with = "list::<_, _, { MinerOffer::MAX_MODELS }>")]
    pub models: Vec<OfferedModel>,
    /// Accelerator memory for jobs, in bytes.
    pub memory_bytes: u64,
    /// Whether it takes jobs now.
    pub accepting: bool,
    /// Codes of what keeps it from taking jobs, at most [`MAX_PAUSE_REASONS`](Self::MAX_PAUSE_REASONS).
    #[serde(deserialize_with = "list::<_, _, { MinerOffer::MAX_PAUSE_REASONS }>")]
    pub pause_reasons: Vec<String>,
    /// The account that its stake is in, on networks that settle on a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<EvmAddress>,
}

impl MinerOffer {
    /// Most models in one offer.
    pub const MAX_MODELS: usize = 64;
    /// Most reasons not to work.
    pub const MAX_PAUSE_REASONS: usize = 16;
}

impl Body for MinerOffer {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.at_most("models", self.models.len(), Self::MAX_MODELS)?;
        for model in &self.models {
            fields.text("dtype", &model.dtype, 16)?;
            let seconds = model.seconds_per_evaluation;
            let fine = seconds.is_finite() && seconds.is_sign_positive();
            fields.that(fine, "seconds_per_evaluation", || seconds.to_string(), || "0 or more".to_owned())?;
        }
        fields.at_most("pause_reasons", self.pause_reasons.len(), Self::MAX_PAUSE_REASONS)?;
        self.pause_reasons.iter().try_for_each(|reason| fields.code("pause_reasons", reason))
    }
}
