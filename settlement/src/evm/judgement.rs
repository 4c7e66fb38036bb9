//! What a quorum signs, and the calls that bring it to the contract.

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolCall as _;
use serde::{Deserialize, Serialize};

use super::abi::InfernetSettlement::{answerCall, cancelCall, changeValidatorsCall, settleCall, slashCall};
use super::message::{Acceptance, Cancel, Domain, Ruling, Score, SlashOrder, ValidatorChange, Verdict, signer_of};

/// A judgement of the validators. Its JSON is what they send each other to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "judgement", rename_all = "snake_case", deny_unknown_fields)]
pub enum Judgement {
    /// A job is paid.
    Settle {
        /// The contract's name of the job.
        job: B256,
        /// What the miners get together at most, in micro-credits.
        fee: u64,
        /// Root of the tree that the miner committed itself to.
        proof_root: B256,
        /// Digest of the bundle.
        bundle_digest: B256,
        /// Miners by rising address.
        scores: Vec<Scored>,
        /// Their signed acceptances, in the same order.
        acceptances: Vec<Bytes>,
    },
    /// Stake is put aside for a check that failed.
    Slash {
        /// Job.
        job: B256,
        /// Miner.
        miner: Address,
        /// Fee that it accepted.
        fee: u64,
        /// Stake that it accepted.
        stake: u64,
        /// Check that failed (docs/PROTOCOL.md, section 8).
        check: u8,
        /// Digest of the bundle that shows it.
        evidence: B256,
        /// Its signed acceptance.
        acceptance: Bytes,
    },
    /// A contest is answered.
    Answer {
        /// Job.
        job: B256,
        /// Miner.
        miner: Address,
        /// The contester's bundle.
        bundle: B256,
        /// Whether the miner has cheated.
        guilty: bool,
        /// Check that failed, where guilty.
        check: u8,
        /// Digest of the bundle that shows it.
        evidence: B256,
    },
    /// The deposit goes back before the deadline.
    Cancel {
        /// Job.
        job: B256,
        /// Why: 1 cancelled, 2 deadline, 3 no miner, 4 failed.
        reason: u8,
    },
    /// Members change.
    ChangeValidators {
        /// New member, or zero.
        added: Address,
        /// Member that goes, or zero.
        removed: Address,
        /// Number of the change.
        nonce: u64,
    },
}

/// What a miner's work is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scored {
    /// Miner.
    pub miner: Address,
    /// Stake behind the job, in micro-credits.
    pub stake: u64,
    /// Trust, this job counted, in parts per million.
    pub trust_ppm: u32,
    /// Quality, in parts per million.
    pub quality_ppm: u32,
}

impl Judgement {
    /// The job it is about; none for changes of the members.
    pub fn job(&self) -> Option<B256> {
        match *self {
            Self::Settle { job, .. }
            | Self::Slash { job, .. }
            | Self::Answer { job, .. }
            | Self::Cancel { job, .. } => Some(job),
            Self::ChangeValidators { .. } => None,
        }
    }

    /// The name of its transaction: of two judgements with one name at most one can have an effect.
    pub fn name(&self) -> String {
        match self {
            Self::Settle { job, .. } => format!("settle {job}"),
            Self::Slash { job, miner, .. } => format!("slash {job} {miner}"),
            Self::Answer { job, miner, bundle, .. } => format!("answer {job} {miner} {bundle}"),
            Self::Cancel { job, .. } => format!("cancel {job}"),
            Self::ChangeValidators { nonce, .. } => format!("change-validators {nonce}"),
        }
    }

    /// What validators sign.
    pub fn digest(&self, domain: &Domain) -> B256 {
        match self {
            Self::Settle { .. } => domain.digest(&self.verdict()),
            &Self::Slash { job, miner, fee, stake, check, evidence, .. } => {
                domain.digest(&SlashOrder { job, miner, fee, stake, check, evidence })
            }
            &Self::Answer { job, miner, bundle, guilty, check, evidence } => {
                domain.digest(&Ruling { job, miner, bundle, guilty, check, evidence })
            }
            &Self::Cancel { job, reason } => domain.digest(&Cancel { job, reason }),
            &Self::ChangeValidators { added, removed, nonce } => {
                domain.digest(&ValidatorChange { added, removed, nonce })
            }
        }
    }

    /// The verdict of a settlement; an empty one for other judgements.
    fn verdict(&self) -> Verdict {
        let Self::Settle { job, fee, proof_root, bundle_digest, scores, .. } = self else {
            return Verdict {
                job: B256::ZERO,
                fee: 0,
                proofRoot: B256::ZERO,
                bundleDigest: B256::ZERO,
                scores: Vec::new(),
            };
        };
        let score = |one: &Scored| Score {
            miner: one.miner,
            stake: one.stake,
            trustPpm: one.trust_ppm,
            qualityPpm: one.quality_ppm,
        };
        Verdict {
            job: *job,
            fee: *fee,
            proofRoot: *proof_root,
            bundleDigest: *bundle_digest,
            scores: scores.iter().map(score).collect(),
        }
    }

    /// The call of the contract; `signatures` by rising signer.
    pub fn calldata(&self, signatures: Vec<Bytes>) -> Vec<u8> {
        match self {
            Self::Settle { acceptances, .. } => {
                settleCall { verdict: self.verdict(), acceptances: acceptances.clone(), signatures }.abi_encode()
            }
            &Self::Slash { job, miner, fee, stake, check, evidence, ref acceptance } => {
                let order = SlashOrder { job, miner, fee, stake, check, evidence };
                slashCall { order, acceptance: acceptance.clone(), signatures }.abi_encode()
            }
            &Self::Answer { job, miner, bundle, guilty, check, evidence } => {
                answerCall { ruling: Ruling { job, miner, bundle, guilty, check, evidence }, signatures }.abi_encode()
            }
            &Self::Cancel { job, reason } => cancelCall { job, reason, signatures }.abi_encode(),
            &Self::ChangeValidators { added, removed, .. } => {
                changeValidatorsCall { added, removed, signatures }.abi_encode()
            }
        }
    }

    /// The first miner whose acceptance is not its own word for this job, fee and stake.
    pub fn unaccepted(&self, domain: &Domain) -> Option<Address> {
        let fits = |job, miner, fee, stake, signature: &[u8]| {
            signer_of(domain.digest(&Acceptance { job, miner, fee, stake }), signature) == Some(miner)
        };
        match self {
            Self::Settle { job, fee, scores, acceptances, .. } => {
                if scores.len() != acceptances.len() {
                    return scores.first().map(|score| score.miner);
                }
                let mut pairs = scores.iter().zip(acceptances);
                pairs.find(|(s, a)| !fits(*job, s.miner, *fee, s.stake, a)).map(|(score, _)| score.miner)
            }
            Self::Slash { job, miner, fee, stake, acceptance, .. } => {
                (!fits(*job, *miner, *fee, *stake, acceptance)).then_some(*miner)
            }
            _ => None,
        }
    }
}

/// Checks by name, their codes, and whether they may slash: docs/PROTOCOL.md, section 8.
pub(crate) const CHECKS: &[(&str, u8, bool)] = &[
    ("commitment_signature", 1, false),
    ("commitment_session", 2, false),
    ("commitment_fields", 3, true),
    ("commitment_deadline", 4, false),
    ("reveal_present", 5, false),
    ("reveal_signature", 6, false),
    ("reveal_deadline", 7, false),
    ("reveal_size", 8, true),
    ("reveal_encoding", 9, true),
    ("reveal_leaves", 10, true),
    ("merkle_path", 11, true),
    ("tensor_format", 12, true),
    ("payload_digest", 13, true),
    ("finite_values", 14, true),
    ("schedule", 15, true),
    ("clip_binding", 16, true),
    ("clip_delivery", 17, false),
    ("clip_size", 18, true),
    ("initial_noise", 19, true),
    ("transition", 20, true),
    ("text_embeddings", 21, true),
    ("model_output", 22, true),
    ("model_output_worst_frame", 23, true),
    ("decoded_frame", 24, true),
    ("clip_decodes", 25, true),
    ("clip_frame", 26, true),
];

/// The name of a check.
pub fn check_name(code: u8) -> Option<&'static str> {
    CHECKS.iter().find(|(_, known, _)| *known == code).map(|&(name, ..)| name)
}

/// The code of a check that may slash.
pub fn slashable_check(name: &str) -> Option<u8> {
    CHECKS.iter().find(|(known, _, may)| *known == name && *may).map(|&(_, code, _)| code)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The table of checks is the protocol's.
    #[test]
    fn checks_are_those_of_the_protocol() {
        let mut found = Vec::new();
        for line in include_str!("../../../docs/PROTOCOL.md").lines() {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [codes, names, proof @ ("s" | "m" | "a"), _] = cells[..] else { continue };
            for (code, name) in codes.split(", ").zip(names.split(", ")) {
                found.push((name.to_owned(), code.parse::<u8>().unwrap(), proof != "a"));
            }
        }
        let ours: Vec<_> = CHECKS.iter().map(|&(name, code, may)| (name.to_owned(), code, may)).collect();
        assert_eq!(found, ours);
        // The contract's constant.
        let bits: u32 = CHECKS.iter().filter(|check| check.2).map(|check| 1 << check.1).sum();
        assert_eq!(bits, 0x7fd_ff08);
        let source = include_str!("../../../contracts/src/InfernetSettlement.sol");
        assert!(source.contains("SLASHABLE_CHECKS = 0x7fdff08;"));
        assert_eq!((slashable_check("transition"), check_name(20)), (Some(20), Some("transition")));
        assert_eq!(check_name(0), None);
        assert_eq!(slashable_check("clip_delivery"), None);
    }

    #[test]
    fn a_judgement_survives_json() {
        let one = Judgement::Settle {
            job: B256::repeat_byte(1),
            fee: u64::MAX,
            proof_root: B256::repeat_byte(2),
            bundle_digest: B256::repeat_byte(3),
            scores: vec![Scored { miner: Address::repeat_byte(4), stake: 5, trust_ppm: 6, quality_ppm: 7 }],
            acceptances: vec![Bytes::from(vec![8; 65])],
        };
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), one);
        let domain = Domain { chain_id: 1, contract: Address::repeat_byte(9) };
        assert_eq!(one.unaccepted(&domain), Some(Address::repeat_byte(4)));
    }
}
