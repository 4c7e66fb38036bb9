//! The contract's rules, one test each; among them the faults of the prototype's contract.

use alloy::primitives::{Address, B256};
use infernet_settlement::evm::abi::InfernetSettlement as C;
use infernet_settlement::evm::message::job_key;
use infernet_settlement::evm::{Deployment, EvmKey, Judgement, Terms, creation_code};

use crate::world::{DAY, DEPOSIT, FEE, STAKE, START, World, key, terms};

const PPM: u32 = 1_000_000;

#[tokio::test]
async fn a_job_is_paid_by_trust_and_quality() {
    let w = World::new().await;
    let (a, b, requester) = (&w.miners[0], &w.miners[1], &w.requesters[0]);
    w.stake(a, STAKE).await;
    w.stake(b, STAKE).await;
    let job = w.deposit(requester, DEPOSIT).await;
    assert_eq!(w.balance(w.at).await, 4 * 50_000 + 2 * STAKE + DEPOSIT);
    // Trust 0.3 and 0.1; quality 0.8 above the threshold and 0.6 below it: 9000 x 3/4 x 0.94, 9000 x 1/4 x 0.7.
    let verdict = w.verdict(job, FEE, STAKE, &[(a, 300_000, 800_000), (b, 100_000, 600_000)]);
    w.judge(&verdict, &w.quorum()).await.unwrap();
    assert_eq!(w.claimable(a.address()).await, 6_345);
    assert_eq!(w.claimable(b.address()).await, 1_575);
    // ceil(9000 / 0.75) - 9000 = 3000 for three signers.
    for validator in &w.validators[..3] {
        assert_eq!(w.claimable(validator.address()).await, 1_000);
    }
    assert_eq!(w.claimable(w.validators[3].address()).await, 0);
    assert_eq!(w.claimable(requester.address()).await, DEPOSIT - 6_345 - 1_575 - 3_000);
    assert_eq!(w.staker(a).await, (0, STAKE, 0));
    // Pull payments: nothing has left yet, and then only to whom it belongs.
    assert_eq!(w.balance(a.address()).await, START - STAKE);
    w.ok(a, &C::claimCall { to: a.address() }).await;
    assert_eq!(w.balance(a.address()).await, START - STAKE + 6_345);
    w.no(a, &C::claimCall { to: a.address() }, "Nothing").await;
    // No path pays twice.
    assert_eq!(w.judge(&verdict, &w.quorum()).await.unwrap_err(), "JobNotOpen");
    w.chain.pass(2 * DAY).await;
    w.no(requester, &C::refundCall { job }, "JobNotOpen").await;
    let cancel = Judgement::Cancel { job, reason: 1 };
    assert_eq!(w.judge(&cancel, &w.quorum()).await.unwrap_err(), "JobNotOpen");
    // The window is over: the stake is free again, by anyone's call.
    w.ok(requester, &C::releaseCall { job, miner: a.address() }).await;
    assert_eq!(w.staker(a).await, (STAKE, 0, 0));
    w.no(requester, &C::releaseCall { job, miner: a.address() }, "WrongPart").await;
}

#[tokio::test]
async fn rewards_are_those_of_the_ledger() {
    let w = World::new().await;
    let parameters = infernet_ledger::LedgerParameters::default();
    for quality in [0, 1, 699_999, 700_000, 850_001, PPM] {
        let factor = w.chain.call(w.at, &C::qualityFactorCall { qualityPpm: quality }).await;
        assert_eq!(factor.to::<u32>(), parameters.quality_factor(quality));
    }
}

/// The prototype paid only by the user's own call, and its validator's call reverted.
#[tokio::test]
async fn anyone_refunds_after_the_deadline_and_it_goes_to_the_requester() {
    let w = World::new().await;
    let requester = &w.requesters[0];
    let job = w.deposit(requester, DEPOSIT).await;
    for early in [&w.validators[0], requester, &w.miners[0]] {
        w.no(early, &C::refundCall { job }, "DeadlineAhead").await;
    }
    w.chain.pass(DAY + 1).await;
    let miner = &w.miners[3];
    w.stake(miner, STAKE).await;
    let late = w.verdict(job, FEE, STAKE, &[(miner, PPM, PPM)]);
    assert_eq!(w.judge(&late, &w.quorum()).await.unwrap_err(), "DeadlinePassed");
    w.ok(&w.validators[3], &C::refundCall { job }).await;
    assert_eq!(w.claimable(requester.address()).await, DEPOSIT);
    assert_eq!(w.claimable(w.validators[3].address()).await, 0);
    w.no(requester, &C::refundCall { job }, "JobNotOpen").await;
    w.ok(requester, &C::claimCall { to: requester.address() }).await;
    assert_eq!(w.balance(requester.address()).await, START);
}

#[tokio::test]
async fn a_quorum_gives_a_deposit_back_early() {
    let w = World::new().await;
    let job = w.deposit(&w.requesters[1], DEPOSIT).await;
    let cancel = Judgement::Cancel { job, reason: 3 };
    assert_eq!(w.judge(&cancel, &w.quorum()[..2]).await.unwrap_err(), "NoQuorum");
    w.judge(&cancel, &w.quorum()).await.unwrap();
    assert_eq!(w.claimable(w.requesters[1].address()).await, DEPOSIT);
    assert_eq!(w.judge(&cancel, &w.quorum()).await.unwrap_err(), "JobNotOpen");
}

/// The prototype's slashed tokens were stuck for ever.
#[tokio::test]
async fn a_slash_repays_the_requester_first_and_burns_the_rest() {
    for (token, burns) in [("TestCredit", true), ("PlainToken", false)] {
        let w = World::with(token, terms(), &[]).await;
        let (miner, requester) = (&w.miners[0], &w.requesters[0]);
        w.stake(miner, 50_000).await;
        let job = w.deposit(requester, DEPOSIT).await;
        w.judge(&w.slash(job, miner, 40_000, 20), &w.quorum()).await.unwrap();
        // Half of the stake behind the job is put aside; nothing is handed out inside the window.
        assert_eq!(w.staker(miner).await, (30_000, 0, 0));
        let execute = C::executeSlashCall { job, miner: miner.address() };
        w.no(requester, &execute, "WindowOpen").await;
        assert_eq!(w.judge(&w.slash(job, miner, 40_000, 20), &w.quorum()).await.unwrap_err(), "WrongPart");
        w.chain.pass(DAY + 1).await;
        w.ok(&w.miners[2], &execute).await;
        w.no(requester, &execute, "WrongPart").await;
        assert_eq!(w.claimable(requester.address()).await, DEPOSIT);
        // The job itself was never paid.
        w.ok(requester, &C::refundCall { job }).await;
        w.ok(requester, &C::claimCall { to: requester.address() }).await;
        assert_eq!(w.balance(requester.address()).await, START + DEPOSIT);
        // The rest leaves the contract.
        let supply = |w: &World| {
            let (chain, token) = (w.chain.provider.clone(), w.token);
            async move {
                let call = alloy::rpc::types::TransactionRequest::default()
                    .to(token)
                    .input(alloy::sol_types::SolCall::abi_encode(&crate::world::TestToken::totalSupplyCall {}).into());
                alloy::primitives::U256::from_be_slice(&alloy::providers::Provider::call(&chain, call).await.unwrap())
                    .to::<u64>()
            }
        };
        let before = supply(&w).await;
        w.ok(&w.miners[2], &C::burnCall {}).await;
        assert_eq!(w.balance(w.at).await, 4 * 50_000 + 30_000);
        let dead = w.balance(w.chain.call(w.at, &C::BURNEDCall {}).await).await;
        if burns {
            assert_eq!((supply(&w).await, dead), (before - 5_000, 0));
        } else {
            assert_eq!((supply(&w).await, dead), (before, 5_000));
        }
        w.no(miner, &C::burnCall {}, "Nothing").await;
    }
}

/// The prototype had no unstake.
#[tokio::test]
async fn stake_comes_back_after_the_cool_down() {
    let w = World::new().await;
    let miner = &w.miners[0];
    w.stake(miner, STAKE).await;
    w.no(miner, &C::requestUnstakeCall { amount: STAKE + 1 }, "StakeTooSmall").await;
    w.no(miner, &C::requestUnstakeCall { amount: 0 }, "Nothing").await;
    w.no(miner, &C::withdrawStakeCall { to: miner.address() }, "Nothing").await;
    w.ok(miner, &C::requestUnstakeCall { amount: 15_000 }).await;
    let cooldown = w.chain.call(w.at, &C::COOLDOWN_SECONDSCall {}).await;
    assert_eq!(cooldown, 8 * DAY);
    w.chain.pass(cooldown - 10).await;
    w.no(miner, &C::withdrawStakeCall { to: miner.address() }, "NotDue").await;
    // More joins, and the time starts anew.
    w.ok(miner, &C::requestUnstakeCall { amount: 5_000 }).await;
    w.chain.pass(20).await;
    w.no(miner, &C::withdrawStakeCall { to: miner.address() }, "NotDue").await;
    w.chain.pass(cooldown).await;
    // Others have none of it.
    w.no(&w.miners[1], &C::withdrawStakeCall { to: w.miners[1].address() }, "Nothing").await;
    w.ok(miner, &C::withdrawStakeCall { to: miner.address() }).await;
    assert_eq!(w.balance(miner.address()).await, START);
}

#[tokio::test]
async fn asking_for_stake_back_is_no_way_around_a_slash() {
    let w = World::new().await;
    let miner = &w.miners[0];
    w.stake(miner, STAKE).await;
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    w.ok(miner, &C::requestUnstakeCall { amount: STAKE }).await;
    // Until the deadline and one window are over.
    w.chain.pass(2 * DAY - 60).await;
    w.judge(&w.slash(job, miner, STAKE, 3), &w.quorum()).await.unwrap();
    assert_eq!(w.staker(miner).await, (0, 0, STAKE / 2));
    let late = w.deposit(&w.requesters[0], DEPOSIT).await;
    w.chain.pass(2 * DAY + 60).await;
    assert_eq!(w.judge(&w.slash(late, miner, STAKE, 3), &w.quorum()).await.unwrap_err(), "WindowOver");
}

/// The prototype had a single validator key.
#[tokio::test]
async fn fewer_than_a_quorum_or_the_same_twice_decide_nothing() {
    let w = World::new().await;
    let miner = &w.miners[0];
    w.stake(miner, STAKE).await;
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    let verdict = w.verdict(job, FEE, STAKE, &[(miner, PPM, PPM)]);
    let v: Vec<&EvmKey> = w.validators.iter().collect();
    assert_eq!(w.judge(&verdict, &[]).await.unwrap_err(), "NoQuorum");
    assert_eq!(w.judge(&verdict, &v[..1]).await.unwrap_err(), "NoQuorum");
    assert_eq!(w.judge(&verdict, &v[..2]).await.unwrap_err(), "NoQuorum");
    assert_eq!(w.judge(&verdict, &[v[0], v[0], v[0]]).await.unwrap_err(), "SignersNotRising");
    assert_eq!(w.judge(&verdict, &[v[0], v[1], miner]).await.unwrap_err(), "NotValidator");
    // Signatures in another order, for another contract or chain, or damaged.
    let digest = verdict.digest(&w.domain);
    let mut turned = w.signatures(digest, &w.quorum());
    turned.reverse();
    let from = miner.address();
    let error = w.chain.send_data(from, w.at, verdict.calldata(turned).into()).await.unwrap_err();
    assert_eq!(error, "SignersNotRising");
    for elsewhere in [
        infernet_settlement::evm::Domain { chain_id: 1, ..w.domain },
        infernet_settlement::evm::Domain { contract: w.token, ..w.domain },
    ] {
        let signatures = w.signatures(verdict.digest(&elsewhere), &w.quorum());
        let error = w.chain.send_data(from, w.at, verdict.calldata(signatures).into()).await.unwrap_err();
        assert!(["NotValidator", "SignersNotRising", "BadSignature"].contains(&error.as_str()), "{error}");
    }
    let mut short = w.signatures(digest, &w.quorum());
    short[1] = short[1].slice(..64);
    assert_eq!(w.chain.send_data(from, w.at, verdict.calldata(short).into()).await.unwrap_err(), "BadSignature");
    // A bond that is not whole, or a validator that has resigned, does not count.
    w.ok(v[0], &C::resignCall {}).await;
    assert_eq!(w.judge(&verdict, &w.quorum()).await.unwrap_err(), "NotValidator");
    w.judge(&verdict, &v[1..]).await.unwrap();
    // Two of three is the least there is.
    let deployment = Deployment { token: w.token, validators: vec![v[0].address()], terms: terms() };
    for count in 1..3 {
        let validators = v[..count].iter().map(|key| key.address()).collect();
        let code = creation_code(&Deployment { validators, ..deployment.clone() });
        let error = w.chain.create("InfernetSettlement", &code[C::BYTECODE.len()..]).await.unwrap_err();
        assert_eq!(error, "BadValidators");
    }
}

/// The prototype's proof bytes were encoded one way and decoded another: here a verdict is typed fields, and what is signed, sent and in
/// the event is the same.
#[tokio::test]
async fn what_was_signed_is_what_the_chain_says() {
    let w = World::new().await;
    let miner = &w.miners[0];
    w.stake(miner, STAKE).await;
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    let verdict = w.verdict(job, FEE, STAKE, &[(miner, PPM, PPM)]);
    let data = verdict.calldata(w.signatures(verdict.digest(&w.domain), &w.quorum()));
    let receipt = w.chain.send_data(miner.address(), w.at, data.into()).await.unwrap();
    let said = receipt.logs().iter().find_map(|log| log.log_decode::<C::Settled>().ok()).unwrap().inner.data;
    let Judgement::Settle { proof_root, bundle_digest, .. } = verdict else { unreachable!() };
    assert_eq!((said.job, said.proofRoot, said.bundleDigest), (job, proof_root, bundle_digest));
    // Each field is under the signature.
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    w.stake(miner, STAKE).await;
    let good = w.verdict(job, FEE, STAKE, &[(miner, PPM, PPM)]);
    let signatures = w.signatures(good.digest(&w.domain), &w.quorum());
    let Judgement::Settle { job, fee, proof_root, bundle_digest, scores, acceptances } = good.clone() else {
        unreachable!()
    };
    let with = |fee, root, bundle, trust_ppm, quality_ppm| {
        let mut scores = scores.clone();
        (scores[0].trust_ppm, scores[0].quality_ppm) = (trust_ppm, quality_ppm);
        let acceptances = acceptances.clone();
        Judgement::Settle { job, fee, proof_root: root, bundle_digest: bundle, scores, acceptances }
    };
    let changed = [
        with(fee - 1, proof_root, bundle_digest, PPM, PPM),
        with(fee, B256::ZERO, bundle_digest, PPM, PPM),
        with(fee, proof_root, B256::ZERO, PPM, PPM),
        with(fee, proof_root, bundle_digest, 1, PPM),
        with(fee, proof_root, bundle_digest, PPM, 1),
    ];
    for one in changed {
        let error = w.chain.send_data(miner.address(), w.at, one.calldata(signatures.clone()).into()).await;
        let error = error.unwrap_err();
        assert!(["NotValidator", "SignersNotRising"].contains(&error.as_str()), "{error}");
    }
    w.chain.send_data(miner.address(), w.at, good.calldata(signatures).into()).await.unwrap();
}

/// The prototype rewarded miners without stake.
#[tokio::test]
async fn a_miner_without_stake_or_that_did_not_accept_is_not_paid() {
    let w = World::new().await;
    let (miner, other) = (&w.miners[0], &w.miners[1]);
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    let verdict = w.verdict(job, FEE, STAKE, &[(miner, PPM, PPM)]);
    assert_eq!(w.judge(&verdict, &w.quorum()).await.unwrap_err(), "StakeTooSmall");
    w.stake(miner, STAKE - 1).await;
    assert_eq!(w.judge(&verdict, &w.quorum()).await.unwrap_err(), "StakeTooSmall");
    // Less than twice the fee is not enough, whatever the validators say.
    let little = w.verdict(job, FEE, 2 * FEE - 1, &[(miner, PPM, PPM)]);
    assert_eq!(w.judge(&little, &w.quorum()).await.unwrap_err(), "StakeTooSmall");
    w.stake(miner, 1).await;
    w.stake(other, STAKE).await;
    // Somebody else's word, another stake, another fee.
    for foreign in [
        w.sign_acceptance(job, other, FEE, STAKE),
        w.sign_acceptance(job, miner, FEE, STAKE + 1),
        w.sign_acceptance(job, miner, FEE + 1, STAKE),
        w.sign_acceptance(B256::ZERO, miner, FEE, STAKE),
    ] {
        let mut spoiled = verdict.clone();
        if let Judgement::Settle { acceptances, .. } = &mut spoiled {
            acceptances[0] = foreign.clone();
        }
        assert_eq!(w.judge(&spoiled, &w.quorum()).await.unwrap_err(), "NotAcceptedBy");
        let mut slash = w.slash(job, miner, STAKE, 20);
        if let Judgement::Slash { acceptance, .. } = &mut slash {
            *acceptance = foreign;
        }
        assert_eq!(w.judge(&slash, &w.quorum()).await.unwrap_err(), "NotAcceptedBy");
    }
    w.judge(&verdict, &w.quorum()).await.unwrap();
    // Stake that is behind one job can't be behind another.
    let second = w.deposit(&w.requesters[0], DEPOSIT).await;
    let again = w.verdict(second, FEE, STAKE, &[(miner, PPM, PPM)]);
    assert_eq!(w.judge(&again, &w.quorum()).await.unwrap_err(), "StakeTooSmall");
}

/// The prototype lost what did not divide.
#[tokio::test]
async fn not_a_unit_is_lost_to_rounding() {
    let w = World::new().await;
    let mut held = w.balance(w.at).await;
    for (fee, deposit, trusts) in [
        (1u64, 2u64, vec![(1, 0)]),
        (7, 11, vec![(1, 699_999), (1, 700_001), (1, 999_999)]),
        (1_001, 1_335, vec![(333_333, 333_333), (1_000_000, 777_777), (7, 1_000_000), (999_983, 1)]),
        (0, 1, vec![(1, 1)]),
    ] {
        for miner in &w.miners {
            w.stake(miner, 3_000).await;
            held += 3_000;
        }
        let job = w.deposit(&w.requesters[0], deposit).await;
        held += deposit;
        let of: Vec<(&EvmKey, u32, u32)> = w.miners.iter().zip(&trusts).map(|(m, &(t, q))| (m, t, q)).collect();
        let verdict = w.verdict(job, fee, (2 * fee).max(1), &of);
        w.judge(&verdict, &w.quorum()).await.unwrap();
        let mut owed = 0;
        for account in w.everyone() {
            owed += w.claimable(account).await;
            if w.claimable(account).await > 0 {
                w.chain.send(account, w.at, &C::claimCall { to: account }).await.unwrap();
            }
        }
        assert_eq!(owed, deposit, "all of the deposit is somebody's");
        held -= owed;
        assert_eq!(w.balance(w.at).await, held);
    }
}

#[tokio::test]
async fn verdicts_that_make_no_sense_are_refused() {
    let w = World::new().await;
    let (a, b) = (&w.miners[0], &w.miners[1]);
    w.stake(a, STAKE).await;
    w.stake(b, STAKE).await;
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    let gross = |fee| w.verdict(job, fee, 30_000, &[(a, PPM, PPM)]);
    assert_eq!(w.judge(&gross(DEPOSIT * 3 / 4 + 1), &w.quorum()).await.unwrap_err(), "FeeAboveDeposit");
    assert_eq!(w.judge(&w.verdict(job, FEE, STAKE, &[]), &w.quorum()).await.unwrap_err(), "BadMiners");
    for (trust, quality) in [(0, 0), (PPM + 1, 0), (1, PPM + 1)] {
        let verdict = w.verdict(job, FEE, STAKE, &[(a, trust, quality)]);
        assert_eq!(w.judge(&verdict, &w.quorum()).await.unwrap_err(), "BadShare");
    }
    let twice = w.verdict(job, FEE, STAKE, &[(a, 1, 1), (a, 1, 1)]);
    assert_eq!(w.judge(&twice, &w.quorum()).await.unwrap_err(), "BadMiners");
    let mut turned = w.verdict(job, FEE, STAKE, &[(a, 1, 1), (b, 1, 1)]);
    if let Judgement::Settle { scores, acceptances, .. } = &mut turned {
        scores.reverse();
        acceptances.reverse();
    }
    assert_eq!(w.judge(&turned, &w.quorum()).await.unwrap_err(), "BadMiners");
    let mut short = w.verdict(job, FEE, STAKE, &[(a, 1, 1), (b, 1, 1)]);
    if let Judgement::Settle { acceptances, .. } = &mut short {
        acceptances.pop();
    }
    assert_eq!(w.judge(&short, &w.quorum()).await.unwrap_err(), "BadMiners");
    let unknown = w.verdict(B256::ZERO, FEE, STAKE, &[(a, 1, 1)]);
    assert_eq!(w.judge(&unknown, &w.quorum()).await.unwrap_err(), "JobNotOpen");
    // Nobody is slashed on a word, or for a job that is not there.
    for check in [0, 1, 2, 4, 5, 6, 7, 17, 27, 255] {
        assert_eq!(w.judge(&w.slash(job, a, STAKE, check), &w.quorum()).await.unwrap_err(), "NotSlashable");
    }
    assert_eq!(w.judge(&w.slash(B256::ZERO, a, STAKE, 20), &w.quorum()).await.unwrap_err(), "JobNotOpen");
}

#[tokio::test]
async fn deposits_are_bounded_and_nobody_can_take_anothers_id() {
    let w = World::new().await;
    let (alice, bob) = (&w.requesters[0], &w.requesters[1]);
    let now = w.chain.now().await;
    let call = |amount, deadline| C::depositCall {
        id: [9; 16].into(),
        jobDigest: B256::repeat_byte(1),
        promptCommitment: B256::repeat_byte(2),
        amount,
        deadline,
    };
    w.no(alice, &call(0, now + DAY), "Nothing").await;
    w.no(alice, &call(5, now), "BadDeadline").await;
    w.no(alice, &call(5, now + 8 * DAY), "BadDeadline").await;
    w.no(alice, &call(5, u64::MAX), "BadDeadline").await;
    w.ok(bob, &call(5, now + DAY)).await;
    w.ok(alice, &call(7, now + DAY)).await;
    w.no(alice, &call(7, now + DAY), "JobExists").await;
    let of = |who: &EvmKey| job_key(who.address(), [9; 16], B256::repeat_byte(1), B256::repeat_byte(2));
    let found = w.chain.call(w.at, &C::jobOfCall { job: of(alice) }).await;
    assert_eq!((found.requester, found.amount), (alice.address(), 7));
    assert_ne!(of(alice), of(bob));
}

#[tokio::test]
async fn a_contested_slash_is_answered_or_taken_back() {
    let w = World::new().await;
    let (miner, friend) = (&w.miners[0], &w.miners[1]);
    w.stake(miner, STAKE).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(w.deposit(&w.requesters[0], DEPOSIT).await);
    }
    let bundle = B256::repeat_byte(7);
    let contest = |job| C::contestCall { job, miner: miner.address(), bundle, locator: "ipfs://bundle".into() };
    let ruling = |job, guilty| Judgement::Answer {
        job,
        miner: miner.address(),
        bundle,
        guilty,
        check: 20,
        evidence: B256::repeat_byte(8),
    };
    w.no(friend, &contest(jobs[0]), "WrongPart").await;
    for job in &jobs {
        w.judge(&w.slash(*job, miner, 4_000, 20), &w.quorum()).await.unwrap();
        w.ok(friend, &contest(*job)).await;
        w.no(friend, &contest(*job), "DisputeOpen").await;
    }
    assert_eq!(w.balance(friend.address()).await, START - 3 * 700);
    assert_eq!(w.staker(miner).await.0, STAKE - 3 * 2_000);
    // 0: the validators agree with the contest. 1: they don't. 2: they say nothing.
    assert_eq!(w.judge(&ruling(jobs[0], false), &w.quorum()[..2]).await.unwrap_err(), "NoQuorum");
    w.judge(&ruling(jobs[0], false), &w.quorum()).await.unwrap();
    assert_eq!(w.judge(&ruling(jobs[0], false), &w.quorum()).await.unwrap_err(), "NoDispute");
    assert_eq!(w.staker(miner).await.0, STAKE - 2 * 2_000);
    assert_eq!(w.claimable(friend.address()).await, 700);
    w.chain.pass(DAY / 4).await;
    w.judge(&ruling(jobs[1], true), &w.quorum()).await.unwrap();
    assert_eq!(w.claimable(friend.address()).await, 700);
    let execute = |job| C::executeSlashCall { job, miner: miner.address() };
    let expire = |job| C::expireCall { job, miner: miner.address() };
    w.no(friend, &expire(jobs[2]), "WindowOpen").await;
    w.chain.pass(DAY / 4 + 100).await;
    assert_eq!(w.judge(&ruling(jobs[2], true), &w.quorum()).await.unwrap_err(), "WindowOver");
    w.chain.pass(DAY).await;
    // A contest that is open holds the slash up however late it is.
    w.no(friend, &execute(jobs[2]), "DisputeOpen").await;
    w.ok(&w.requesters[2], &expire(jobs[2])).await;
    w.no(friend, &expire(jobs[2]), "NoDispute").await;
    assert_eq!(w.staker(miner).await.0, STAKE - 2_000);
    assert_eq!(w.claimable(friend.address()).await, 2 * 700);
    for validator in &w.validators {
        let found = w.chain.call(w.at, &C::validatorOfCall { account: validator.address() }).await;
        assert_eq!(found.bond, 50_000 - 3_000);
        assert!(!w.chain.call(w.at, &C::mayJudgeCall { account: validator.address() }).await);
    }
    w.no(friend, &execute(jobs[0]), "WrongPart").await;
    w.ok(friend, &execute(jobs[1])).await;
    // The penalties and the lost bond are burned; the slash went to the requester.
    assert_eq!(w.chain.call(w.at, &C::toBurnCall {}).await.to::<u64>(), 4 * 3_000 + 700);
    assert_eq!(w.claimable(w.requesters[0].address()).await, 2_000);
    // With their bonds whole again they judge again.
    for validator in &w.validators {
        w.ok(validator, &C::bondCall { amount: 3_000 }).await;
    }
    assert!(w.chain.call(w.at, &C::mayJudgeCall { account: w.validators[0].address() }).await);
}

#[tokio::test]
async fn a_payment_can_be_contested_within_its_window() {
    let w = World::new().await;
    let (miner, rival) = (&w.miners[0], &w.miners[1]);
    w.stake(miner, 2 * STAKE).await;
    let bundle = B256::repeat_byte(7);
    let contest = |job| C::contestCall { job, miner: miner.address(), bundle, locator: String::new() };
    let ruling = |job, guilty, check| Judgement::Answer {
        job,
        miner: miner.address(),
        bundle,
        guilty,
        check,
        evidence: B256::repeat_byte(8),
    };
    let (first, second) = (w.deposit(&w.requesters[0], DEPOSIT).await, w.deposit(&w.requesters[0], DEPOSIT).await);
    for job in [first, second] {
        w.judge(&w.verdict(job, FEE, STAKE, &[(miner, PPM, PPM)]), &w.quorum()).await.unwrap();
    }
    let long = C::contestCall { job: first, miner: miner.address(), bundle, locator: "x".repeat(257) };
    w.no(rival, &long, "LocatorTooLong").await;
    w.ok(rival, &contest(first)).await;
    w.ok(rival, &contest(second)).await;
    assert_eq!(w.judge(&w.slash(first, miner, STAKE, 20), &w.quorum()).await.unwrap_err(), "DisputeOpen");
    // Guilty: the stake that is locked for this job goes the way of every slash.
    assert_eq!(w.judge(&ruling(first, true, 5), &w.quorum()).await.unwrap_err(), "NotSlashable");
    w.judge(&ruling(first, true, 22), &w.quorum()).await.unwrap();
    assert_eq!(w.staker(miner).await, (STAKE / 2, STAKE, 0));
    assert_eq!(w.claimable(rival.address()).await, 700);
    // Not guilty at the end of the window: the bond is gone, and there is time for another contest.
    w.chain.pass(DAY / 2 - 60).await;
    w.judge(&ruling(second, false, 0), &w.quorum()).await.unwrap();
    w.chain.pass(DAY / 2 - 60).await;
    w.no(rival, &C::releaseCall { job: second, miner: miner.address() }, "WindowOpen").await;
    w.ok(rival, &contest(second)).await;
    w.chain.pass(DAY).await;
    w.no(rival, &C::releaseCall { job: second, miner: miner.address() }, "DisputeOpen").await;
    // Silence does not slash an honest miner.
    w.ok(rival, &C::expireCall { job: second, miner: miner.address() }).await;
    w.ok(rival, &C::releaseCall { job: second, miner: miner.address() }).await;
    assert_eq!(w.staker(miner).await, (STAKE / 2 + STAKE, 0, 0));
    w.no(rival, &contest(second), "WrongPart").await;
    // The slash of the first: at most the deposit to the requester.
    let before = w.claimable(w.requesters[0].address()).await;
    w.ok(rival, &C::executeSlashCall { job: first, miner: miner.address() }).await;
    assert_eq!(w.claimable(w.requesters[0].address()).await, before + STAKE / 2);
}

#[tokio::test]
async fn validators_change_by_a_quorum_and_can_always_leave() {
    let w = World::new().await;
    let newcomer = key(9, 9);
    w.mint(newcomer.address(), START).await;
    let v: Vec<&EvmKey> = w.validators.iter().collect();
    let change = |added, removed, nonce| Judgement::ChangeValidators { added, removed, nonce };
    let swap = change(newcomer.address(), v[3].address(), 0);
    w.no(&newcomer, &C::bondCall { amount: 50_000 }, "NotValidator").await;
    assert_eq!(w.judge(&swap, &v[..2]).await.unwrap_err(), "NoQuorum");
    w.judge(&swap, &v[..3]).await.unwrap();
    // Once.
    assert!(["NotValidator", "SignersNotRising"].contains(&w.judge(&swap, &v[..3]).await.unwrap_err().as_str()));
    let members = w.chain.call(w.at, &C::validatorsCall {}).await;
    assert_eq!(members.len(), 4);
    assert!(members.contains(&newcomer.address()) && !members.contains(&v[3].address()));
    // Without its bond the newcomer does not count.
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    let cancel = Judgement::Cancel { job, reason: 1 };
    assert_eq!(w.judge(&cancel, &[v[0], v[1], &newcomer]).await.unwrap_err(), "NotValidator");
    w.ok(&newcomer, &C::bondCall { amount: 50_000 }).await;
    assert_eq!(w.judge(&cancel, &[v[0], v[1], v[3]]).await.unwrap_err(), "NotValidator");
    w.judge(&cancel, &[v[0], v[1], &newcomer]).await.unwrap();
    // Never fewer than three, nobody twice, nobody unknown.
    let judges = [v[0], v[1], v[2]];
    w.judge(&change(Address::ZERO, newcomer.address(), 1), &judges).await.unwrap();
    for bad in [change(Address::ZERO, v[0].address(), 2), change(v[1].address(), Address::ZERO, 2)] {
        assert_eq!(w.judge(&bad, &judges).await.unwrap_err(), "BadValidators");
    }
    let unknown = change(newcomer.address(), v[3].address(), 2);
    assert_eq!(w.judge(&unknown, &judges).await.unwrap_err(), "NotValidator");
    // A bond is not out before the cool-down, and then to its owner.
    for gone in [v[3], &newcomer] {
        w.no(gone, &C::withdrawBondCall { to: gone.address() }, "BondLocked").await;
    }
    w.no(v[0], &C::withdrawBondCall { to: v[0].address() }, "BondLocked").await;
    w.ok(v[0], &C::resignCall {}).await;
    w.no(v[0], &C::resignCall {}, "NotValidator").await;
    w.chain.pass(8 * DAY + 1).await;
    for gone in [v[3], &newcomer, v[0]] {
        w.ok(gone, &C::withdrawBondCall { to: gone.address() }).await;
        assert_eq!(w.balance(gone.address()).await, START);
    }
    w.no(v[3], &C::withdrawBondCall { to: v[3].address() }, "NothingBonded").await;
}

#[tokio::test]
async fn a_contract_with_terms_that_make_no_sense_can_not_be_deployed() {
    let w = World::new().await;
    let validators: Vec<Address> = w.validators.iter().map(EvmKey::address).collect();
    let base = terms();
    let bad = [
        Terms { challenge_secs: 0, ..base },
        Terms { answer_secs: 0, ..base },
        Terms { most_job_secs: 91 * DAY, ..base },
        Terms { contest_bond: 0, ..base },
        Terms { slash_ppm: 0, ..base },
        Terms { slash_ppm: PPM + 1, ..base },
        Terms { split_ppm: 0, ..base },
        Terms { split_ppm: PPM + 1, ..base },
        Terms { least_stake_ppm: 0, ..base },
        Terms { quality_threshold_ppm: PPM + 1, ..base },
        Terms { quality_weight_ppm: PPM + 1, ..base },
        Terms { validator_bond: 0, ..base },
        Terms { silence_penalty: 0, ..base },
        Terms { silence_penalty: base.validator_bond + 1, ..base },
    ];
    let attempt = |deployment: Deployment| {
        let code = creation_code(&deployment);
        let w = &w;
        async move { w.chain.create("InfernetSettlement", &code[C::BYTECODE.len()..]).await }
    };
    for terms in bad {
        let error = attempt(Deployment { token: w.token, validators: validators.clone(), terms }).await.unwrap_err();
        assert!(["BadParameter", "BadValidators"].contains(&error.as_str()), "{terms:?}: {error}");
    }
    let wrong = w.chain.create("WrongDecimals", &[]).await.unwrap();
    for token in [wrong, Address::repeat_byte(5)] {
        assert!(attempt(Deployment { token, validators: validators.clone(), terms: base }).await.is_err());
    }
    let double = vec![validators[0], validators[1], validators[0]];
    for members in [double, vec![Address::ZERO; 3], (1..=33).map(Address::repeat_byte).collect()] {
        let error = attempt(Deployment { token: w.token, validators: members, terms: base }).await.unwrap_err();
        assert_eq!(error, "BadValidators");
    }
    attempt(Deployment { token: w.token, validators, terms: base }).await.unwrap();
}

#[tokio::test]
async fn nobody_owns_the_contract() {
    // Everything that can be called and changes something, by name: a new one has to be thought about here.
    let artefact: serde_json::Value =
        serde_json::from_str(include_str!("../../../contracts/artifacts/InfernetSettlement.json")).unwrap();
    let mut names: Vec<&str> = artefact["abi"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["type"] == "function" && one["stateMutability"] == "nonpayable")
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let known = "answer bond burn cancel changeValidators claim contest deposit executeSlash expire refund release \
                 requestUnstake resign settle slash stake withdrawBond withdrawStake";
    assert_eq!(names.join(" "), known);
    assert!(artefact["abi"].as_array().unwrap().iter().all(|one| one["stateMutability"] != "payable"));
}
