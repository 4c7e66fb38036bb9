//! What an account does for itself: stake, deposit, claim. Every call goes through the outbox under a name of the caller's.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;

use super::abi::InfernetSettlement::{
    bondCall, burnCall, claimCall, contestCall, depositCall, refundCall, releaseCall, requestUnstakeCall, resignCall,
    stakeCall, withdrawBondCall, withdrawStakeCall,
};
use super::abi::Token::approveCall;
use super::key::EvmKey;
use super::message::{Acceptance, Domain, job_key};
use super::store::Store;
use super::watcher::ContractRules;
use crate::error::SettlementError;

/// An account's own calls. Those that pay allow the contract to take exactly that amount first.
#[derive(Clone, Debug)]
pub struct EvmAccount {
    store: Store,
    domain: Domain,
    key: EvmKey,
    rules: ContractRules,
}

/// A job's deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositOrder {
    /// The job's id.
    pub id: [u8; 16],
    /// Digest of the whole job.
    pub job_digest: B256,
    /// Salted commitment to the prompt.
    pub prompt_commitment: B256,
    /// Amount, in micro-credits.
    pub amount: u64,
    /// Until when it can be paid out, in seconds since 1970.
    pub deadline: u64,
}

impl EvmAccount {
    /// With a store of the same chain, contract and account.
    pub fn new(store: Store, domain: Domain, key: EvmKey, rules: ContractRules) -> Self {
        Self { store, domain, key, rules }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    fn queue(&self, name: &str, call: &impl SolCall, now_ms: u64) -> Result<String, SettlementError> {
        let call = (name.to_owned(), self.domain.contract, call.abi_encode());
        self.store.enqueue(&[call], now_ms)?;
        Ok(name.to_owned())
    }

    fn queue_paid(&self, name: &str, amount: u64, call: &impl SolCall, now_ms: u64) -> Result<String, SettlementError> {
        let approve = approveCall { spender: self.domain.contract, amount: U256::from(amount) };
        let calls = [
            (format!("approve for {name}"), self.rules.token, approve.abi_encode()),
            (name.to_owned(), self.domain.contract, call.abi_encode()),
        ];
        self.store.enqueue(&calls, now_ms)?;
        Ok(name.to_owned())
    }

    /// Adds to the miner's stake. `reference` tells this wish from others of the same amount; the same one again is the same wish.
    ///
    /// # Errors
    /// The disk, or the reference was used for another amount. So for the others.
    pub fn stake(&self, amount: u64, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue_paid(&format!("stake {reference}"), amount, &stakeCall { amount }, now_ms)
    }

    /// Begins to take stake out.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn request_unstake(&self, amount: u64, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("unstake {reference}"), &requestUnstakeCall { amount }, now_ms)
    }

    /// Takes out stake whose time is over.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn withdraw_stake(&self, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("withdraw-stake {reference}"), &withdrawStakeCall { to: self.address() }, now_ms)
    }

    /// Takes out earnings and refunds.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn claim(&self, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("claim {reference}"), &claimCall { to: self.address() }, now_ms)
    }

    /// Puts a deposit behind a job.
    ///
    /// # Errors
    /// As for `stake`; the reference is the job.
    pub fn deposit(&self, order: &DepositOrder, now_ms: u64) -> Result<(B256, String), SettlementError> {
        let &DepositOrder { id, job_digest, prompt_commitment, amount, deadline } = order;
        let job = job_key(self.address(), id, job_digest, prompt_commitment);
        let call =
            depositCall { id: id.into(), jobDigest: job_digest, promptCommitment: prompt_commitment, amount, deadline };
        Ok((job, self.queue_paid(&format!("deposit {job}"), amount, &call, now_ms)?))
    }

    /// Gives a deposit back after its deadline, whoever made it.
    ///
    /// # Errors
    /// As for `stake`; the reference is the job.
    pub fn refund(&self, job: B256, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("refund {job}"), &refundCall { job }, now_ms)
    }

    /// Frees the stake behind a paid job whose window is over.
    ///
    /// # Errors
    /// As for `stake`; the reference is job and miner.
    pub fn release(&self, job: B256, miner: Address, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("release {job} {miner}"), &releaseCall { job, miner }, now_ms)
    }

    /// Contests a payment or a slash.
    ///
    /// # Errors
    /// As for `stake`; the reference is job, miner and bundle.
    pub fn contest(
        &self,
        job: B256,
        miner: Address,
        bundle: B256,
        locator: &str,
        now_ms: u64,
    ) -> Result<String, SettlementError> {
        let call = contestCall { job, miner, bundle, locator: locator.to_owned() };
        self.queue_paid(&format!("contest {job} {miner} {bundle}"), self.rules.contest_bond, &call, now_ms)
    }

    /// Adds to the validator's bond.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn bond(&self, amount: u64, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue_paid(&format!("bond {reference}"), amount, &bondCall { amount }, now_ms)
    }

    /// Stops judging.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn resign(&self, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("resign {reference}"), &resignCall {}, now_ms)
    }

    /// Takes out the bond of a validator that has resigned or was removed.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn withdraw_bond(&self, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("withdraw-bond {reference}"), &withdrawBondCall { to: self.address() }, now_ms)
    }

    /// Burns what was slashed and is nobody's.
    ///
    /// # Errors
    /// As for `stake`.
    pub fn burn(&self, reference: &str, now_ms: u64) -> Result<String, SettlementError> {
        self.queue(&format!("burn {reference}"), &burnCall {}, now_ms)
    }

    /// A miner's word that it takes a job: what goes to the validator over the wire.
    ///
    /// # Errors
    /// The signer fails.
    pub fn accept(&self, job: B256, fee: u64, stake: u64) -> Result<[u8; 65], SettlementError> {
        self.domain.sign(&Acceptance { job, miner: self.address(), fee, stake }, &self.key)
    }
}
