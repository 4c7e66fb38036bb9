//! What holders of accounts ask for, signed by them: a validator can refuse it, but not make it up, change it or do it twice.

use ed25519_dalek::SigningKey;
use serde::Serialize;

use crate::account::sign;
use crate::bytes::{AccountId, Digest, JobId, Signature};
use crate::cbor::{DecodeError, Reader, Writer};

const REQUEST_TAG: &str = "infernet/ledger-request/v1";
const ORDER_TAG: &str = "infernet/ledger-order/v1";

/// Which ledger: a network and the validator that keeps its books. Part of every signature, so that nothing signed for one
/// ledger is valid in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct LedgerId {
    /// The network.
    pub network: Digest,
    /// The validator's key.
    pub validator: AccountId,
}

/// What is asked for. Amounts in micro-credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Gives credits to another account.
    Transfer {
        /// Who gets them.
        to: AccountId,
        /// How many.
        amount_microcredits: u64,
    },
    /// Moves balance to free stake.
    Stake {
        /// How much.
        amount_microcredits: u64,
    },
    /// Starts the cool-down of free stake.
    Unstake {
        /// How much.
        amount_microcredits: u64,
    },
    /// Moves all stake whose cool-down has passed to the balance.
    WithdrawStake,
    /// Moves all earnings to the balance.
    Claim,
}

/// A request with its holder's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AccountRequest {
    /// Whose account.
    pub account: AccountId,
    /// The account's [`next_nonce`](crate::Account::next_nonce).
    pub nonce: u64,
    /// What is asked for.
    pub action: Action,
    /// By the holder.
    pub signature: Signature,
}

impl AccountRequest {
    /// Signs a request for the holder of the key.
    pub fn sign(ledger: &LedgerId, nonce: u64, action: Action, key: &SigningKey) -> Self {
        let mut request = Self { account: key.into(), nonce, action, signature: Signature([0; 64]) };
        request.signature = sign(key, &request.message(ledger));
        request
    }

    /// Whether the holder signed it for this ledger.
    pub fn verify(&self, ledger: &LedgerId) -> bool {
        self.account.signed(&self.message(ledger), &self.signature)
    }

    /// As it travels to the validator.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.finish()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. The signature is not checked here.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of a request.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, Self::read)
    }

    fn message(&self, ledger: &LedgerId) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(5).bytes(ledger.network).bytes(ledger.validator).bytes(self.account).uint(self.nonce);
        self.action.write(&mut out);
        [REQUEST_TAG.as_bytes(), &out.finish()].concat()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.array(4).bytes(self.account).uint(self.nonce);
        self.action.write(out);
        out.bytes(self.signature);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("request", 4)?;
        Ok(Self {
            account: AccountId(reader.fixed("account")?),
            nonce: reader.uint("nonce")?,
            action: Action::read(reader)?,
            signature: Signature(reader.fixed("signature")?),
        })
    }
}

impl Action {
    fn write(&self, out: &mut Writer) {
        match *self {
            Self::Transfer { to, amount_microcredits } => {
                out.array(3).uint(0u32).bytes(to).uint(amount_microcredits);
            }
            Self::Stake { amount_microcredits } => {
                out.array(2).uint(1u32).uint(amount_microcredits);
            }
            Self::Unstake { amount_microcredits } => {
                out.array(2).uint(2u32).uint(amount_microcredits);
            }
            Self::WithdrawStake => {
                out.array(1).uint(3u32);
            }
            Self::Claim => {
                out.array(1).uint(4u32);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = reader.list("action", 3)?;
        if items == 0 {
            return Err(DecodeError::value("action", "empty", "a kind and what belongs to it"));
        }
        let kind = reader.uint("action kind")?;
        let action = match (kind, items) {
            (0, 3) => {
                let to = AccountId(reader.fixed("to")?);
                Self::Transfer { to, amount_microcredits: reader.uint("amount")? }
            }
            (1, 2) => Self::Stake { amount_microcredits: reader.uint("amount")? },
            (2, 2) => Self::Unstake { amount_microcredits: reader.uint("amount")? },
            (3, 1) => Self::WithdrawStake,
            (4, 1) => Self::Claim,
            _ => return Err(DecodeError::value("action kind", &kind, "0 to 4 with its own number of items")),
        };
        Ok(action)
    }
}

/// What a requester agrees to pay for, with its signature: a validator can't put anyone's credits into an escrow by itself.
/// A job's id is used once, so an order needs no number of its own, and orders may arrive in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct JobOrder {
    /// The job's random id.
    pub job: JobId,
    /// Digest of the whole job.
    pub digest: Digest,
    /// Who pays.
    pub requester: AccountId,
    /// Goes into escrow; what is not used comes back.
    pub deposit_microcredits: u64,
    /// Denoising steps.
    pub steps: u32,
    /// Until when the job may be assigned, in milliseconds since 1970 UTC.
    pub deadline_ms: u64,
    /// By the requester.
    pub signature: Signature,
}

impl JobOrder {
    /// Signs an order for the holder of the key.
    pub fn sign(
        ledger: &LedgerId,
        job: JobId,
        digest: Digest,
        deposit_microcredits: u64,
        steps: u32,
        deadline_ms: u64,
        key: &SigningKey,
    ) -> Self {
        let (requester, signature) = (key.into(), Signature([0; 64]));
        let mut order = Self { job, digest, requester, deposit_microcredits, steps, deadline_ms, signature };
        order.signature = sign(key, &order.message(ledger));
        order
    }

    /// Whether the requester signed it for this ledger.
    pub fn verify(&self, ledger: &LedgerId) -> bool {
        self.requester.signed(&self.message(ledger), &self.signature)
    }

    fn message(&self, ledger: &LedgerId) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(8).bytes(ledger.network).bytes(ledger.validator);
        self.fields(&mut out);
        [ORDER_TAG.as_bytes(), &out.finish()].concat()
    }

    fn fields(&self, out: &mut Writer) {
        out.bytes(self.job).bytes(self.digest).bytes(self.requester).uint(self.deposit_microcredits);
        out.uint(self.steps).uint(self.deadline_ms);
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.array(7);
        self.fields(out);
        out.bytes(self.signature);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("order", 7)?;
        Ok(Self {
            job: JobId(reader.fixed("job")?),
            digest: Digest(reader.fixed("job digest")?),
            requester: AccountId(reader.fixed("requester")?),
            deposit_microcredits: reader.uint("deposit")?,
            steps: reader.u32("steps")?,
            deadline_ms: reader.uint("deadline")?,
            signature: Signature(reader.fixed("signature")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(byte: u8) -> LedgerId {
        LedgerId { network: Digest([byte; 32]), validator: AccountId([9; 32]) }
    }

    #[test]
    fn a_request_is_for_one_ledger_one_nonce_and_one_action() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let request = AccountRequest::sign(&ledger(1), 7, Action::Stake { amount_microcredits: 5 }, &key);
        assert!(request.verify(&ledger(1)) && !request.verify(&ledger(2)));
        assert!(!AccountRequest { nonce: 8, ..request }.verify(&ledger(1)));
        assert!(!AccountRequest { action: Action::Unstake { amount_microcredits: 5 }, ..request }.verify(&ledger(1)));
        assert!(!AccountRequest { account: AccountId([0; 32]), ..request }.verify(&ledger(1)));
        assert_eq!(AccountRequest::from_bytes(&request.to_bytes()), Ok(request));
    }

    #[test]
    fn an_order_is_for_one_ledger_and_all_its_fields() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let order = JobOrder::sign(&ledger(1), JobId([2; 16]), Digest([3; 32]), 100, 30, 9000, &key);
        assert!(order.verify(&ledger(1)) && !order.verify(&ledger(2)));
        for changed in [
            JobOrder { job: JobId([0; 16]), ..order },
            JobOrder { digest: Digest([0; 32]), ..order },
            JobOrder { deposit_microcredits: 101, ..order },
            JobOrder { steps: 31, ..order },
            JobOrder { deadline_ms: 9001, ..order },
        ] {
            assert!(!changed.verify(&ledger(1)), "{changed:?}");
        }
    }
}
