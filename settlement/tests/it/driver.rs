//! The way of a job through deposit, judgement and payment, and of transactions through a bad day.

use std::time::Duration;

use alloy::primitives::B256;
use infernet_ledger::{AccountId, Digest, JobId, ProofKind, RefundReason};
use infernet_settlement::evm::{
    Deployment, DepositOrder, EvmKey, EvmSettlement, IntentState, Judgement, Store, deploy, deployment_domain,
};
use infernet_settlement::{
    Accepted, Assignment, Backend, Commitment, Party as Holder, Payment, Penalty, Progress, Promise, Settlement,
    SignedAcceptance,
};
use serde_json::json;

use crate::party::{CONFIRMATIONS, Party, config, now_ms};
use crate::world::{DAY, DEPOSIT, FEE, STAKE, START, World, key, terms};

const MINER: AccountId = AccountId([0x22; 32]);
const JOB: JobId = JobId([5; 16]);
const DIGEST: Digest = Digest([6; 32]);

struct Scene {
    w: World,
    validators: Vec<Party>,
    miner: Party,
    requester: Party,
    job: B256,
}

/// Staked, deposited, and seen by the validators.
async fn scene() -> Scene {
    let w = World::new().await;
    let validators: Vec<Party> = w.validators.iter().map(|key| Party::new(&w, key)).collect();
    let (miner, requester) = (Party::new(&w, &w.miners[0]), Party::new(&w, &w.requesters[0]));
    for party in validators.iter().chain([&miner, &requester]) {
        w.chain.fund(party.key.address()).await;
    }
    miner.account(&w).await.stake(STAKE, "first", now_ms()).unwrap();
    miner.drive(&w).await;
    let order = DepositOrder {
        id: JOB.0,
        job_digest: B256::from(DIGEST.0),
        prompt_commitment: B256::repeat_byte(7),
        amount: DEPOSIT,
        deadline: w.chain.now().await + DAY,
    };
    let (job, name) = requester.account(&w).await.deposit(&order, now_ms()).unwrap();
    requester.drive(&w).await;
    requester.is(&name, IntentState::Done);
    for validator in &validators {
        validator.driver.round(now_ms()).await.unwrap();
    }
    Scene { w, validators, miner, requester, job }
}

impl Scene {
    async fn promise(&self, stake: u64) -> Promise {
        let account = self.miner.account(&self.w).await;
        let signature = account.accept(self.job, FEE, stake).unwrap();
        let acceptance = Some(SignedAcceptance { address: account.address(), signature });
        Promise { miner: MINER, stake_microcredits: stake, cost_microcredits: 1, acceptance }
    }

    async fn assign(&self, money: &mut EvmSettlement) {
        let miners = vec![self.promise(STAKE).await];
        let assignment = Assignment { job: JOB, digest: DIGEST, attempt: 1, fee_microcredits: FEE, miners };
        money.assign(&assignment, now_ms()).unwrap();
        money.assign(&assignment, now_ms()).unwrap();
        let commitment = Commitment { job: JOB, attempt: 1, miner: MINER, digest: Digest([1; 32]) };
        money.committed(&commitment, now_ms()).unwrap();
    }

    /// The others sign what the first proposes.
    fn co_sign(&self, money: &mut EvmSettlement) -> Progress {
        let (digest, judgement) = money.waiting().unwrap().pop().unwrap();
        let mut progress = Progress::Open;
        for other in &self.validators[1..3] {
            let signature = other.settlement(&self.w).co_sign(&judgement).unwrap();
            progress = money.add_signature(digest, &signature, now_ms()).unwrap();
        }
        progress
    }
}

fn payment() -> Payment {
    Payment {
        job: JOB,
        attempt: 1,
        proof_root: Digest([2; 32]),
        bundle: Digest([3; 32]),
        miners: vec![Accepted { miner: MINER, verdict: Digest([4; 32]), quality_ppm: 1_000_000 }],
        dust_to: MINER,
    }
}

#[tokio::test]
async fn a_job_goes_from_deposit_to_claim() {
    let s = scene().await;
    let (w, validator) = (&s.w, &s.validators[0]);
    let mut money = validator.settlement(w);
    assert_eq!(money.backend(), Backend::Evm);
    let deposit = money.deposit(JOB, DIGEST).unwrap().unwrap();
    assert_eq!(deposit.requester, Holder::Evm(s.requester.key.address()));
    assert_eq!((deposit.amount_microcredits, deposit.ended), (DEPOSIT, false));
    assert_eq!(money.deposit(JOB, Digest([9; 32])).unwrap(), None);
    s.assign(&mut money).await;
    let progress = money.settle(&payment(), now_ms()).unwrap();
    let Progress::NeedsSignatures { digest, have: 1, need: 3 } = progress else { panic!("{progress:?}") };
    assert_eq!(money.settle(&payment(), now_ms()).unwrap(), progress);
    // The miner's own signature is none of a validator.
    let foreign = s.miner.key.sign(digest).unwrap();
    assert_eq!(money.add_signature(digest, &foreign, now_ms()).unwrap_err().code(), "chain.signature");
    assert_eq!(money.add_signature(B256::ZERO, &foreign, now_ms()).unwrap_err().code(), "chain.unknown_proposal");
    assert!(matches!(s.co_sign(&mut money), Progress::Sending { .. }));
    assert!(matches!(money.progress(JOB).unwrap(), Progress::Sending { .. }));
    validator.drive(w).await;
    assert_eq!(money.progress(JOB).unwrap(), Progress::Settled);
    assert_eq!(money.settle(&payment(), now_ms()).unwrap(), Progress::Settled);
    assert!(money.deposit(JOB, DIGEST).unwrap().unwrap().ended);
    // Trust follows from the chain, and so for every validator.
    for other in &s.validators {
        other.driver.round(now_ms()).await.unwrap();
        assert_eq!(other.settlement(w).trust_of(s.miner.key.address()).unwrap(), 100_000);
    }
    assert_eq!(money.refund(JOB, RefundReason::Failed, now_ms()).unwrap_err().code(), "chain.job_state");
    s.miner.account(w).await.claim("first", now_ms()).unwrap();
    s.miner.drive(w).await;
    assert_eq!(w.balance(s.miner.key.address()).await, START - STAKE + FEE);
    let status = s.miner.driver.status().await.unwrap();
    assert_eq!((status.stake.locked, status.validators.judges.len(), status.validators.quorum), (STAKE, 4, 3));
}

#[tokio::test]
async fn what_does_not_fit_the_chain_is_not_assigned_or_signed() {
    let s = scene().await;
    let w = &s.w;
    let mut money = s.validators[0].settlement(w);
    let good = s.promise(STAKE).await;
    let mut assign = |fee, digest, promise: Promise| {
        let assignment = Assignment { job: JOB, digest, attempt: 1, fee_microcredits: fee, miners: vec![promise] };
        money.assign(&assignment, now_ms()).unwrap_err().code().to_owned()
    };
    assert_eq!(assign(FEE, Digest([0; 32]), good.clone()), "chain.unknown_job");
    assert_eq!(assign(DEPOSIT, DIGEST, good.clone()), "chain.amount");
    assert_eq!(assign(FEE - 1, DIGEST, good.clone()), "chain.no_acceptance");
    assert_eq!(assign(FEE, DIGEST, Promise { acceptance: None, ..good.clone() }), "chain.no_acceptance");
    assert_eq!(assign(FEE, DIGEST, s.promise(STAKE + 1).await), "chain.stake_too_small");
    assert_eq!(assign(FEE, DIGEST, s.promise(2 * FEE - 1).await), "chain.stake_too_small");
    assert_eq!(money.settle(&payment(), now_ms()).unwrap_err().code(), "chain.no_acceptance");
    s.assign(&mut money).await;
    // The same stake is promised to this job now.
    let other = JobId([8; 16]);
    let order = DepositOrder {
        id: other.0,
        job_digest: B256::from(DIGEST.0),
        prompt_commitment: B256::ZERO,
        amount: DEPOSIT,
        deadline: w.chain.now().await + DAY,
    };
    let (job, _) = s.requester.account(w).await.deposit(&order, now_ms()).unwrap();
    s.requester.drive(w).await;
    s.validators[0].driver.round(now_ms()).await.unwrap();
    let account = s.miner.account(w).await;
    let signature = account.accept(job, FEE, STAKE).unwrap();
    let acceptance = Some(SignedAcceptance { address: account.address(), signature });
    let promise = Promise { acceptance, ..good };
    let second = Assignment { job: other, digest: DIGEST, attempt: 1, fee_microcredits: FEE, miners: vec![promise] };
    assert_eq!(money.assign(&second, now_ms()).unwrap_err().code(), "chain.stake_too_small");
    // A validator signs no verdict with another trust or fee than the chain's.
    money.settle(&payment(), now_ms()).unwrap();
    let (_, judgement) = money.waiting().unwrap().pop().unwrap();
    let witness = s.validators[1].settlement(w);
    witness.co_sign(&judgement).unwrap();
    let mut praised = judgement.clone();
    if let Judgement::Settle { scores, .. } = &mut praised {
        scores[0].trust_ppm = 900_000;
    }
    assert_eq!(witness.co_sign(&praised).unwrap_err().code(), "chain.amount");
    let mut dearer = judgement;
    if let Judgement::Settle { fee, .. } = &mut dearer {
        *fee += 1;
    }
    assert_eq!(witness.co_sign(&dearer).unwrap_err().code(), "chain.signature");
}

#[tokio::test]
async fn a_caught_miner_is_slashed_and_the_deposit_goes_back() {
    let s = scene().await;
    let (w, validator) = (&s.w, &s.validators[0]);
    let mut money = validator.settlement(w);
    s.assign(&mut money).await;
    let penalty = |check: &str, proof| Penalty {
        job: JOB,
        attempt: 1,
        miner: MINER,
        check: check.parse().unwrap(),
        proof,
        verdict: Digest([4; 32]),
        bundle: Digest([3; 32]),
    };
    for bad in [penalty("reveal_deadline", ProofKind::Signed), penalty("transition", ProofKind::Attested)] {
        assert_eq!(money.slash(&bad, now_ms()).unwrap_err().code(), "chain.check");
    }
    money.slash(&penalty("transition", ProofKind::Signed), now_ms()).unwrap();
    s.co_sign(&mut money);
    validator.drive(w).await;
    assert_eq!(money.progress(JOB).unwrap(), Progress::Slashed);
    assert_eq!(money.stake_of(s.miner.key.address()).unwrap().free, STAKE / 2);
    // Early, all have to agree; later nobody has.
    money.refund(JOB, RefundReason::Failed, now_ms()).unwrap();
    assert!(matches!(money.progress(JOB).unwrap(), Progress::NeedsSignatures { .. }));
    w.chain.pass(DAY + 10).await;
    let later = (w.chain.now().await + 1) * 1_000;
    assert_eq!(money.upkeep(later).unwrap(), 2);
    assert_eq!(money.upkeep(later).unwrap(), 2);
    validator.drive(w).await;
    assert_eq!(money.upkeep(later).unwrap(), 0);
    assert_eq!(money.progress(JOB).unwrap(), Progress::Refunded);
    assert_eq!(w.claimable(s.requester.key.address()).await, DEPOSIT + STAKE / 2);
    assert_eq!(money.trust_of(s.miner.key.address()).unwrap(), 0);
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced_and_has_its_effect_once() {
    let w = World::new().await;
    let who = &w.miners[1];
    w.chain.fund(who.address()).await;
    let slow = Party::new(&w, who);
    let count = || alloy::providers::Provider::get_transaction_count(&w.chain.provider, who.address());
    let before = count().await.unwrap();
    slow.account(&w).await.stake(1_000, "a", now_ms()).unwrap();
    w.chain.automine(false).await;
    slow.driver.round(now_ms()).await.unwrap();
    slow.is("approve for stake a", IntentState::Sent);
    let first = w.chain.raw("txpool_content", json!([])).await.to_string();
    // What is in the pool pays too little for the next block.
    w.chain.raw("anvil_setNextBlockBaseFeePerGas", json!(["0x2540be4000"])).await;
    w.chain.mine(1).await;
    slow.driver.round(now_ms()).await.unwrap();
    slow.is("approve for stake a", IntentState::Sent);
    w.chain.raw("anvil_setNextBlockBaseFeePerGas", json!(["0x2540be4000"])).await;
    slow.driver.round(now_ms() + 3_600_001).await.unwrap();
    let second = w.chain.raw("txpool_content", json!([])).await.to_string();
    assert_ne!(first, second, "a form with a higher fee is in the pool");
    w.chain.automine(true).await;
    w.chain.mine(1).await;
    slow.drive(&w).await;
    slow.is("approve for stake a", IntentState::Done);
    assert_eq!(w.staker(who).await.0, 1_000);
    let used = count().await.unwrap();
    assert_eq!(used, before + 2, "one approval and one stake");
}

#[tokio::test]
async fn nothing_is_sent_above_the_limits() {
    let w = World::new().await;
    let who = &w.miners[1];
    w.chain.fund(who.address()).await;
    let mut modest = config(&w, vec![w.chain.url.clone()]);
    modest.max_fee_per_gas_wei = 1;
    let party = Party::with(&w, who, modest);
    party.account(&w).await.stake(1_000, "a", now_ms()).unwrap();
    for _ in 0..8 {
        party.driver.round(now_ms()).await.unwrap();
    }
    party.is("approve for stake a", IntentState::Queued);
    assert!(party.intent("approve for stake a").note.contains("dearer"), "{:?}", party.intent("approve for stake a"));
    let mut small = config(&w, vec![w.chain.url.clone()]);
    small.max_gas = 100_000;
    let party = Party::with(&w, &w.miners[2], small);
    w.chain.fund(w.miners[2].address()).await;
    let order = DepositOrder {
        id: [1; 16],
        job_digest: B256::repeat_byte(1),
        prompt_commitment: B256::ZERO,
        amount: 5,
        deadline: w.chain.now().await + DAY,
    };
    w.mint(w.miners[2].address(), 5).await;
    let (_, name) = party.account(&w).await.deposit(&order, now_ms()).unwrap();
    party.drive(&w).await;
    party.is(&format!("approve for {name}"), IntentState::Done);
    party.is(&name, IntentState::Failed);
    let note = party.intent(&name).note;
    assert!(note.contains("more than the limit of 100000"), "{note}");
}

#[tokio::test]
async fn what_the_chain_refuses_fails_and_can_be_tried_again() {
    let w = World::new().await;
    let party = Party::new(&w, &w.miners[1]);
    w.chain.fund(party.key.address()).await;
    let account = party.account(&w).await;
    account.withdraw_stake("a", now_ms()).unwrap();
    for _ in 0..5 {
        party.driver.round(now_ms()).await.unwrap();
    }
    party.is("withdraw-stake a", IntentState::Failed);
    assert_eq!(party.intent("withdraw-stake a").note, "Nothing");
    let error = party.driver.complete("withdraw-stake a", Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), "chain.refused");
    w.stake(&party.key, 700).await;
    w.ok(&party.key, &infernet_settlement::evm::abi::InfernetSettlement::requestUnstakeCall { amount: 700 }).await;
    w.chain.pass(9 * DAY).await;
    account.withdraw_stake("a", now_ms()).unwrap();
    party.drive(&w).await;
    party.is("withdraw-stake a", IntentState::Done);
}

#[tokio::test]
async fn a_judgement_that_the_chain_refuses_can_be_made_anew() {
    let s = scene().await;
    let (w, validator) = (&s.w, &s.validators[0]);
    let mut money = validator.settlement(w);
    let judgement = |reason| Judgement::Cancel { job: B256::ZERO, reason };
    for reason in [1, 2] {
        let judgement = judgement(reason);
        assert!(matches!(money.propose(&judgement, now_ms()).unwrap(), Progress::NeedsSignatures { have: 1, .. }));
        for other in &s.validators[1..3] {
            let signature = other.settlement(w).co_sign(&judgement).unwrap();
            money.add_signature(judgement.digest(&w.domain), &signature, now_ms()).unwrap();
        }
        validator.is(&judgement.name(), IntentState::Queued);
        // While it is on its way there is no other.
        let other = Judgement::Cancel { job: B256::ZERO, reason: 9 };
        assert_eq!(money.propose(&other, now_ms()).unwrap_err().code(), "chain.conflict");
        for _ in 0..5 {
            validator.driver.round(now_ms()).await.unwrap();
        }
        validator.is(&judgement.name(), IntentState::Failed);
    }
}

#[tokio::test]
async fn a_nonce_that_another_program_used_is_given_up_when_that_is_final() {
    let w = World::new().await;
    let (a, b) = (Party::new(&w, &w.miners[1]), Party::new(&w, &w.miners[1]));
    w.chain.fund(a.key.address()).await;
    a.account(&w).await.stake(1_000, "a", now_ms()).unwrap();
    w.chain.automine(false).await;
    a.driver.round(now_ms()).await.unwrap();
    let hash = format!("approve for stake a: {:?}", a.intent("approve for stake a").nonce);
    w.chain.raw("anvil_dropAllTransactions", json!([])).await;
    w.chain.automine(true).await;
    b.account(&w).await.stake(50, "b", now_ms()).unwrap();
    b.drive(&w).await;
    b.is("stake b", IntentState::Done);
    assert_eq!(hash, format!("approve for stake a: {:?}", b.intent("approve for stake b").nonce));
    a.drive(&w).await;
    a.is("stake a", IntentState::Done);
    assert_eq!(w.staker(&w.miners[1]).await.0, 1_050);
}

#[tokio::test]
async fn a_deployment_goes_on_where_it_was() {
    let w = World::new().await;
    let deployer = key(8, 8);
    w.chain.fund(deployer.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("deploy"), deployment_domain(31_337), deployer.address()).unwrap();
    let validators = w.validators.iter().map(EvmKey::address).collect();
    let deployment = Deployment { token: w.token, validators, terms: terms() };
    let chain = config(&w, vec![w.chain.url.clone()]);
    let mut found = Vec::new();
    let begun = deploy(&chain, &deployer, &store, &deployment, "main", now_ms(), Duration::ZERO).await;
    assert!(begun.unwrap_err().is_transient());
    for _ in 0..3 {
        w.chain.mine(CONFIRMATIONS).await;
        let result = deploy(&chain, &deployer, &store, &deployment, "main", now_ms(), Duration::from_secs(20)).await;
        found.push(result.unwrap().contract);
    }
    assert!(found.iter().all(|one| *one == found[0] && *one != w.at));
    let used = alloy::providers::Provider::get_transaction_count(&w.chain.provider, deployer.address()).await.unwrap();
    assert_eq!(used, 1);
    let other = Deployment { terms: infernet_settlement::evm::Terms::default(), ..deployment };
    let error = deploy(&chain, &deployer, &store, &other, "main", now_ms(), Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), "chain.conflict");
}

/// A node and a command on one account's file: what either finds queued is sent once, whoever reads it first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_drivers_on_one_file_send_everything_once() {
    const STAKES: u64 = 8;
    let w = World::new().await;
    let key = key(2, 1);
    w.chain.fund(key.address()).await;
    let party = Party::new(&w, &key);
    let used = alloy::providers::Provider::get_transaction_count(&w.chain.provider, key.address()).await.unwrap();
    let account = party.account(&w).await;
    for number in 0..STAKES {
        account.stake(1_000 + number, &number.to_string(), now_ms()).unwrap();
    }
    let driver = || {
        let store = crate::party::open(party.folder.path(), &w, &key);
        infernet_settlement::evm::Driver::new(config(&w, vec![w.chain.url.clone()]), key.clone(), store).unwrap()
    };
    let drivers = [driver(), driver(), driver()];
    while !party.store.intents(1_000).unwrap().iter().all(|intent| intent.state.over()) {
        let rounds = drivers.clone().map(|driver| tokio::spawn(async move { driver.round(now_ms()).await }));
        for round in rounds {
            round.await.unwrap().unwrap();
        }
        w.chain.mine(1).await;
    }
    assert!(party.store.intents(1_000).unwrap().iter().all(|intent| intent.state == IntentState::Done));
    assert_eq!(w.staker(&key).await.0, (0..STAKES).map(|number| 1_000 + number).sum::<u64>());
    let now = alloy::providers::Provider::get_transaction_count(&w.chain.provider, key.address()).await.unwrap();
    assert_eq!(now - used, 2 * STAKES, "an approval and a stake each, once");
}
