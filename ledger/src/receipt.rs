//! Receipts: one link of the journal's chain, signed by the validator, that anyone checks without the journal.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::account::sign;
use crate::bytes::{AccountId, Digest, Signature, from_hex, tagged, to_hex};
use crate::cbor::{DecodeError, Reader, Writer};
use crate::entry::{Entry, MAX_ENTRY_BYTES};
use crate::movement::{Movement, decode_movements, encode_movements};
use crate::request::LedgerId;

const HASH_TAG: &str = "infernet/ledger-entry/v1";
const SIGNATURE_TAG: &str = "infernet/ledger-receipt/v1";
const VERSION: u32 = 1;
/// 256 movements between two pockets.
const MAX_MOVEMENT_BYTES: usize = 32 * 1024;
/// Longest receipt as JSON: bytes as hexadecimal digits, and the same to read.
pub const MAX_RECEIPT_JSON_BYTES: usize = 512 * 1024;

/// That an entry is in the ledger, and what it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which ledger.
    pub ledger: LedgerId,
    /// Place of the entry; the first is 0.
    pub sequence: u64,
    /// When it was entered: milliseconds since 1970 UTC by the validator's clock.
    pub time_ms: u64,
    /// Hash of the entry before; zeros for the first.
    pub previous: Digest,
    /// The entry.
    pub entry: Entry,
    /// What it moved.
    pub movements: Vec<Movement>,
    /// Hash of all of the above.
    pub hash: Digest,
    /// The validator's signature of the hash.
    pub signature: Signature,
}

/// A receipt that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The bytes are not a receipt.
    #[error("this is not a receipt: {0}")]
    Decode(#[from] DecodeError),
    /// The text is not a receipt.
    #[error("this is not a receipt in JSON: {0}")]
    Json(String),
    /// The part for people to read says something else than the part that is signed.
    #[error("the receipt's `{field}` is not what its signed bytes say")]
    Contents {
        /// Field of the JSON.
        field: &'static str,
    },
    /// Another validator's receipt.
    #[error("the receipt is by validator {found}, not by {expected}")]
    Validator {
        /// Whose it is.
        found: AccountId,
        /// Whose it should be.
        expected: AccountId,
    },
    /// The hash is of something else.
    #[error("the hash of receipt {sequence} does not belong to its contents: something in it was changed")]
    Hash {
        /// Place.
        sequence: u64,
    },
    /// The signature does not hold.
    #[error("the validator's signature under receipt {sequence} does not hold")]
    Signature {
        /// Place.
        sequence: u64,
    },
}

impl ReceiptError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.code(),
            Self::Json(_) => "ledger.receipt.json",
            Self::Contents { .. } => "ledger.receipt.contents",
            Self::Validator { .. } => "ledger.receipt.validator",
            Self::Hash { .. } => "ledger.receipt.hash",
            Self::Signature { .. } => "ledger.receipt.signature",
        }
    }

    /// What to do about it, for people.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.next_step(),
            Self::Json(_) => "give one line of an export, or a receipt as it was saved",
            Self::Validator { .. } => "check with the key of the validator that wrote it",
            Self::Contents { .. } | Self::Hash { .. } | Self::Signature { .. } => {
                "ask the other side, or the validator, for its copy of the receipt"
            }
        }
    }
}

impl Receipt {
    /// Makes and signs the next link of a chain.
    pub(crate) fn sign(
        ledger: LedgerId,
        sequence: u64,
        time_ms: u64,
        previous: Digest,
        entry: Entry,
        movements: Vec<Movement>,
        key: &SigningKey,
    ) -> Self {
        let (hash, signature) = (Digest::ZERO, Signature([0; 64]));
        let mut receipt = Self { ledger, sequence, time_ms, previous, entry, movements, hash, signature };
        receipt.hash = receipt.own_hash();
        receipt.signature = sign(key, &signed_bytes(&receipt.hash));
        receipt
    }

    /// Checks that this validator entered this. Needs nothing else.
    ///
    /// # Errors
    /// The receipt is another validator's, was changed, or is not signed.
    pub fn verify(&self, validator: &AccountId) -> Result<(), ReceiptError> {
        if self.ledger.validator != *validator {
            return Err(ReceiptError::Validator { found: self.ledger.validator, expected: *validator });
        }
        self.verify_hash()?;
        if validator.signed(&signed_bytes(&self.hash), &self.signature) {
            Ok(())
        } else {
            Err(ReceiptError::Signature { sequence: self.sequence })
        }
    }

    /// Checks the hash alone.
    pub(crate) fn verify_hash(&self) -> Result<(), ReceiptError> {
        if self.own_hash() == self.hash { Ok(()) } else { Err(ReceiptError::Hash { sequence: self.sequence }) }
    }

    /// Whether two receipts can't be from one chain: same ledger and place, different contents. When both hold, the validator
    /// has written two histories, and its signatures prove it.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.ledger == other.ledger && self.sequence == other.sequence && self.hash != other.hash
    }

    fn own_hash(&self) -> Digest {
        let mut out = Writer::default();
        out.array(7);
        self.fields(&mut out);
        tagged(HASH_TAG, &out.finish())
    }

    fn fields(&self, out: &mut Writer) {
        out.bytes(self.ledger.network).bytes(self.ledger.validator).uint(self.sequence).uint(self.time_ms);
        out.bytes(self.previous).bytes(self.entry.to_bytes()).bytes(encode_movements(&self.movements));
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(10).uint(VERSION);
        self.fields(&mut out);
        out.bytes(self.hash).bytes(self.signature);
        out.finish()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Hash and signature are checked by [`verify`](Self::verify).
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of a receipt.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| {
            reader.array("receipt", 10)?;
            match reader.uint("version")? {
                1 => {}
                found => return Err(DecodeError::value("version", &found, "1 (get a newer version of this program)")),
            }
            let network = Digest(reader.fixed("network")?);
            let validator = AccountId(reader.fixed("validator")?);
            Ok(Self {
                ledger: LedgerId { network, validator },
                sequence: reader.uint("sequence")?,
                time_ms: reader.uint("time")?,
                previous: Digest(reader.fixed("previous")?),
                entry: Entry::from_bytes(reader.blob("entry", MAX_ENTRY_BYTES)?)?,
                movements: decode_movements(reader.blob("movements", MAX_MOVEMENT_BYTES)?)?,
                hash: Digest(reader.fixed("hash")?),
                signature: Signature(reader.fixed("signature")?),
            })
        })
    }

    /// One line of JSON: the signed bytes as hexadecimal digits, and the same to read.
    pub fn to_json(&self) -> String {
        let line = Line {
            version: VERSION,
            network: self.ledger.network,
            validator: self.ledger.validator,
            sequence: self.sequence,
            time_ms: self.time_ms,
            previous: self.previous,
            entry: to_hex(&self.entry.to_bytes()),
            movements: to_hex(&encode_movements(&self.movements)),
            hash: self.hash,
            signature: self.signature,
            content: self.content(),
            moved: self.moved(),
        };
        // Strings, integers and maps with text as keys: always JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) wrote. The parts for people may be missing, but not say something else.
    ///
    /// # Errors
    /// The text is not a receipt, or contradicts itself.
    pub fn from_json(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > MAX_RECEIPT_JSON_BYTES {
            return Err(ReceiptError::Json(format!("it has {} bytes, at most {MAX_RECEIPT_JSON_BYTES}", text.len())));
        }
        let line: Line = serde_json::from_str(text).map_err(|error| ReceiptError::Json(error.to_string()))?;
        if line.version != VERSION {
            return Err(DecodeError::value("version", &line.version, "1 (get a newer version of this program)").into());
        }
        let bytes = |field: &'static str, text: &str| {
            from_hex(text).ok_or(DecodeError::value(field, "not hexadecimal", "hexadecimal digits"))
        };
        let receipt = Self {
            ledger: LedgerId { network: line.network, validator: line.validator },
            sequence: line.sequence,
            time_ms: line.time_ms,
            previous: line.previous,
            entry: Entry::from_bytes(&bytes("entry", &line.entry)?)?,
            movements: decode_movements(&bytes("movements", &line.movements)?)?,
            hash: line.hash,
            signature: line.signature,
        };
        if line.content.is_some() && line.content != receipt.content() {
            return Err(ReceiptError::Contents { field: "content" });
        }
        if line.moved.is_some() && line.moved != receipt.moved() {
            return Err(ReceiptError::Contents { field: "moved" });
        }
        Ok(receipt)
    }

    fn content(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.entry).ok()
    }

    fn moved(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.movements).ok()
    }
}

fn signed_bytes(hash: &Digest) -> Vec<u8> {
    [SIGNATURE_TAG.as_bytes(), &hash.0].concat()
}

/// A receipt as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    version: u32,
    network: Digest,
    validator: AccountId,
    sequence: u64,
    time_ms: u64,
    previous: Digest,
    entry: String,
    movements: String,
    hash: Digest,
    signature: Signature,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved: Option<serde_json::Value>,
}
