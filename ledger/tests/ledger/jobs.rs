//! Jobs from their deposit to their end.

use infernet_ledger::{
    Applied, Assign, Entry, JobOrder, JobStatus, MinerStage, Movement, Pocket, ProofKind, Refund, RefundReason,
};

use crate::world::*;

fn refund(number: u8) -> Entry {
    Entry::Refund(Refund { job: job(number), reason: RefundReason::Failed })
}

fn status(world: &World, number: u8) -> JobStatus {
    world.ledger.job(&job(number)).unwrap().status()
}

#[test]
fn an_accepted_job_is_paid() {
    let mut world = World::new();
    let deadline = world.now_ms + DAY_MS;
    world.ok(&order(1, REQUESTER, 10_000, deadline));
    assert_eq!((world.balance(REQUESTER), status(&world, 1)), (990_000, JobStatus::Posted));
    let stake = world.required(MINER, 7_500, 6_000);
    world.ok(&assign(1, 1, 7_500, &[(MINER, stake)]));
    assert_eq!((status(&world, 1), world.locked(MINER)), (JobStatus::Assigned, u128::from(stake)));
    world.ok(&committed(1, 1, MINER));
    assert_eq!(status(&world, 1), JobStatus::Committed);
    world.ok(&audited(1, 1, MINER, 1, accepted(800_000)));
    assert_eq!(status(&world, 1), JobStatus::Audited);
    assert_eq!(world.ledger.open_jobs().count(), 1);
    let movements = world.ok(&settle(1, 1));
    // Quality 0.8 earns 0.7 + 0.3 x 0.8 of the fee; the validator has a third of the fee on top; the rest goes back.
    let moved = |to, amount_microcredits| Movement { from: Pocket::Escrow(job(1)), to, amount_microcredits };
    assert_eq!(
        movements,
        [
            moved(Pocket::Claimable(id(MINER)), 7_050),
            moved(Pocket::Claimable(id(VALIDATOR)), 2_500),
            moved(Pocket::Balance(id(REQUESTER)), 450),
        ]
    );
    assert_eq!((status(&world, 1), world.ledger.open_jobs().count()), (JobStatus::Settled, 0));
    let standing = world.ledger.account(&id(MINER)).unwrap().standing;
    assert_eq!((standing.trust_ppm, standing.quality_ppm), (100_000, Some(800_000)));
    assert_eq!((standing.paid, standing.earned_microcredits), (1, 7_050));
    // Again, the same does nothing, and something else about it is refused.
    assert_eq!(world.apply(&settle(1, 1)), Ok(Applied::AlreadyApplied));
    world.refused(&refund(1), "ledger.job_state");
    world.refused(&assign(1, 2, 10, &[(MINER, 1_000)]), "ledger.job_state");
}

#[test]
fn stake_stays_locked_for_the_challenge_window() {
    let mut world = World::new();
    let stake = world.assigned(1, MINER);
    world.ok(&committed(1, 1, MINER));
    world.ok(&audited(1, 1, MINER, 1, accepted(900_000)));
    world.ok(&settle(1, 1));
    let settled_ms = world.now_ms;
    assert_eq!(world.locked(MINER), u128::from(stake));
    // All but this stake can be locked for another job.
    world.now_ms = settled_ms + DAY_MS - 3;
    let deadline = world.now_ms + DAY_MS;
    world.ok(&order(2, REQUESTER, 10_000, deadline));
    world.refused(&assign(2, 1, 7_500, &[(MINER, 1_000_000)]), "ledger.insufficient");
    // At the window's end it is free, and with it there is enough.
    let movements = world.ok(&assign(2, 1, 7_500, &[(MINER, 1_000_000)]));
    assert_eq!(world.now_ms, settled_ms + DAY_MS);
    let freed =
        Movement { from: Pocket::LockedStake(id(MINER)), to: Pocket::FreeStake(id(MINER)), amount_microcredits: stake };
    assert_eq!(movements[0], freed);
    assert_eq!((world.locked(MINER), world.free(MINER)), (1_000_000, 0));
}

#[test]
fn an_assignment_needs_the_required_stake() {
    let mut world = World::new();
    let deadline = world.now_ms + DAY_MS;
    world.ok(&order(1, REQUESTER, 10_000, deadline));
    let stake = world.required(MINER, 7_500, 7_500);
    world.refused(&assign(1, 1, 7_500, &[(MINER, stake - 1)]), "ledger.stake_too_small");
    world.refused(&assign(1, 1, 7_500, &[(MINER, 1_000_001)]), "ledger.insufficient");
    world.refused(&assign(1, 1, 7_501, &[(MINER, 1_000_000)]), "ledger.fee");
    world.refused(&assign(1, 1, 7_500, &[]), "ledger.miners");
    world.refused(&assign(1, 2, 7_500, &[(MINER, stake)]), "ledger.attempt");
    world.refused(&assign(9, 1, 7_500, &[(MINER, stake)]), "ledger.unknown_job");
    world.refused(&assign(1, 1, 7_500, &[(MINER, stake), (MINER, stake)]), "ledger.miners");
    let Entry::Assign(assign_both) = assign(1, 1, 7_500, &[(MINER, stake), (OTHER, stake)]) else { unreachable!() };
    let reversed = Assign { miners: assign_both.miners.iter().rev().copied().collect(), ..assign_both };
    world.refused(&Entry::Assign(reversed), "ledger.miners");
    world.ok(&assign(1, 1, 7_500, &[(MINER, stake)]));
}

#[test]
fn orders_are_signed_covered_and_in_time() {
    let mut world = World::new();
    let deadline = world.now_ms + 100;
    let Entry::OpenJob(good) = order(1, REQUESTER, 10_000, deadline) else { unreachable!() };
    for changed in [
        JobOrder { deposit_microcredits: 20_000, ..good },
        JobOrder { requester: id(MINER), ..good },
        JobOrder { deadline_ms: deadline + 1, ..good },
        JobOrder { steps: STEPS + 1, ..good },
    ] {
        world.refused(&Entry::OpenJob(changed), "ledger.signature");
    }
    world.refused(&order(1, REQUESTER, 1_000_001, deadline), "ledger.insufficient");
    world.refused(&order(1, REQUESTER, 0, deadline), "ledger.nothing");
    world.refused(&order(1, REQUESTER, 10, START_MS), "ledger.deadline");
    world.refused(&order(1, REQUESTER, 10, u64::MAX), "ledger.time");
    world.refused(&Entry::OpenJob(JobOrder { steps: 0, ..good }), "ledger.steps");
    world.ok(&Entry::OpenJob(good));
    world.refused(&order(1, REQUESTER, 20_000, deadline), "ledger.conflict");
    // Too old to be assigned, and then there is only one way.
    world.now_ms = deadline;
    let stake = world.required(MINER, 7_500, 7_500);
    world.refused(&assign(1, 1, 7_500, &[(MINER, stake)]), "ledger.deadline");
    world.ok(&refund(1));
    assert_eq!((world.balance(REQUESTER), status(&world, 1)), (1_000_000, JobStatus::Refunded));
    assert_eq!(world.apply(&refund(1)), Ok(Applied::AlreadyApplied));
}

#[test]
fn a_proven_cheat_loses_stake_to_the_requester_first() {
    let mut world = World::new();
    // 15 times what is required, so that the slash is more than the deposit.
    let deadline = world.now_ms + DAY_MS;
    world.ok(&order(1, REQUESTER, 10_000, deadline));
    world.ok(&assign(1, 1, 7_500, &[(MINER, 600_000)]));
    world.ok(&committed(1, 1, MINER));
    world.ok(&audited(1, 1, MINER, 1, rejected(ProofKind::Measured)));
    world.refused(&settle(1, 1), "ledger.job_state");
    world.refused(&refund(1), "ledger.job_state");
    world.ok(&slash(1, 1, MINER));
    assert_eq!(status(&world, 1), JobStatus::Slashed);
    assert_eq!((world.claimable(REQUESTER), world.free(MINER), world.locked(MINER)), (10_000, 700_000, 0));
    assert_eq!(world.ledger.totals().burned, 290_000);
    let standing = world.ledger.account(&id(MINER)).unwrap().standing;
    assert_eq!((standing.slashed, standing.slashed_microcredits), (1, 300_000));
    assert_eq!(world.apply(&slash(1, 1, MINER)), Ok(Applied::AlreadyApplied));
    // Another miner does the same job; what it is slashed for goes nowhere, for the harm is repaid.
    world.ok(&assign(1, 2, 7_500, &[(OTHER, 600_000)]));
    assert_eq!(status(&world, 1), JobStatus::Assigned);
    world.ok(&committed(1, 2, OTHER));
    world.ok(&audited(1, 2, OTHER, 1, rejected(ProofKind::Signed)));
    world.ok(&slash(1, 2, OTHER));
    assert_eq!((world.claimable(REQUESTER), world.ledger.totals().burned), (10_000, 590_000));
    world.ok(&refund(1));
    assert_eq!(world.balance(REQUESTER), 1_000_000);
}

#[test]
fn trust_falls_when_caught_and_when_dropped() {
    let mut world = World::new();
    for number in 1..=3 {
        world.assigned(number, MINER);
        world.ok(&committed(number, 1, MINER));
        world.ok(&audited(number, 1, MINER, 1, accepted(900_000)));
        world.ok(&settle(number, 1));
    }
    let trust = |world: &World| world.ledger.trust_ppm(&id(MINER));
    assert_eq!(trust(&world), 271_000);
    world.assigned(4, MINER);
    world.ok(&release(4, 1, MINER, false));
    assert_eq!(trust(&world), 271_000);
    let stake = world.required(MINER, 7_500, 7_500);
    world.ok(&assign(4, 2, 7_500, &[(MINER, stake)]));
    world.ok(&release(4, 2, MINER, true));
    assert_eq!(trust(&world), 243_900);
    world.assigned(5, MINER);
    world.ok(&committed(5, 1, MINER));
    world.ok(&audited(5, 1, MINER, 1, rejected(ProofKind::Signed)));
    world.ok(&slash(5, 1, MINER));
    assert_eq!(trust(&world), 48_780);
}

#[test]
fn nobody_is_slashed_on_a_word() {
    let mut world = World::new();
    let stake = world.assigned(1, MINER);
    world.refused(&slash(1, 1, MINER), "ledger.miner_stage");
    world.ok(&committed(1, 1, MINER));
    world.refused(&slash(1, 1, MINER), "ledger.miner_stage");
    world.ok(&audited(1, 1, MINER, 1, rejected(ProofKind::Attested)));
    world.refused(&slash(1, 1, MINER), "ledger.miner_stage");
    // A second opinion may accept, a third with proof reject; the last word with proof stands.
    world.ok(&audited(1, 1, MINER, 2, accepted(500_000)));
    world.refused(&audited(1, 1, MINER, 3, rejected(ProofKind::Attested)), "ledger.miner_stage");
    world.ok(&audited(1, 1, MINER, 4, rejected(ProofKind::Measured)));
    world.refused(&audited(1, 1, MINER, 5, accepted(500_000)), "ledger.miner_stage");
    // The review says that the verdict was wrong: released, whole.
    world.ok(&release(1, 1, MINER, false));
    assert_eq!((world.free(MINER), world.locked(MINER)), (1_000_000, 0));
    world.refused(&slash(1, 1, MINER), "ledger.miner_stage");
    let again = committed(1, 1, MINER);
    assert_eq!(world.apply(&again), Ok(Applied::AlreadyApplied));
    assert!(stake > 0 && status(&world, 1) == JobStatus::Posted);
}

#[test]
fn a_paid_job_can_be_disputed_within_the_window() {
    let mut world = World::new();
    let paid = |world: &mut World, number: u8| {
        let stake = world.assigned(number, MINER);
        world.ok(&committed(number, 1, MINER));
        world.ok(&audited(number, 1, MINER, 1, accepted(900_000)));
        world.ok(&settle(number, 1));
        stake
    };
    let (stake, _) = (paid(&mut world, 1), paid(&mut world, 2));
    let paid_ms = world.now_ms;
    world.refused(&audited(1, 1, MINER, 9, rejected(ProofKind::Attested)), "ledger.miner_stage");
    world.ok(&audited(1, 1, MINER, 9, rejected(ProofKind::Measured)));
    // From now on its stake is held, however long the dispute takes.
    world.now_ms = paid_ms + 10 * DAY_MS;
    assert_eq!(world.ledger.account(&id(MINER)).unwrap().stake.available(world.now_ms), 1_000_000 - u128::from(stake));
    let before = world.claimable(REQUESTER);
    world.ok(&slash(1, 1, MINER));
    assert_eq!(world.claimable(REQUESTER) - before, 10_000.min(stake / 2));
    assert_eq!(status(&world, 1), JobStatus::Settled);
    // The other job's window is over.
    world.refused(&audited(2, 1, MINER, 9, rejected(ProofKind::Measured)), "ledger.window_over");
}

#[test]
fn several_miners_share_by_trust_and_dust_goes_where_it_is_said() {
    let mut world = World::new();
    // Miner has one job more: trust 190,000 after this one, against 100,000.
    world.assigned(1, MINER);
    world.ok(&committed(1, 1, MINER));
    world.ok(&audited(1, 1, MINER, 1, accepted(1_000_000)));
    world.ok(&settle(1, 1));
    let deadline = world.now_ms + DAY_MS;
    world.ok(&order(2, REQUESTER, 10_000, deadline));
    world.ok(&assign(2, 1, 7_500, &[(MINER, 200_000), (OTHER, 200_000)]));
    world.ok(&committed(2, 1, MINER));
    world.ok(&audited(2, 1, MINER, 1, accepted(1_000_000)));
    assert_eq!(status(&world, 2), JobStatus::Committed);
    world.refused(&settle(2, 1), "ledger.job_state");
    world.ok(&committed(2, 1, OTHER));
    world.ok(&audited(2, 1, OTHER, 1, accepted(1_000_000)));
    let (miner, validator) = (world.claimable(MINER), world.claimable(VALIDATOR));
    world.ok(&settle(2, 1));
    // 7,500 x 19 / 29 and 7,500 x 10 / 29, rounded down; one micro-credit is left for the validator.
    assert_eq!((world.claimable(MINER) - miner, world.claimable(OTHER)), (4_913, 2_586));
    assert_eq!(world.claimable(VALIDATOR) - validator, 2_500 + 1);
    assert_eq!(world.balance(REQUESTER), 980_000);
}

#[test]
fn one_of_several_may_fail_and_the_others_are_paid() {
    let mut world = World::new();
    let deadline = world.now_ms + DAY_MS;
    world.ok(&order(1, REQUESTER, 10_000, deadline));
    world.ok(&assign(1, 1, 7_500, &[(MINER, 200_000), (OTHER, 200_000)]));
    for person in [MINER, OTHER] {
        world.ok(&committed(1, 1, person));
    }
    world.ok(&audited(1, 1, MINER, 1, rejected(ProofKind::Signed)));
    world.ok(&audited(1, 1, OTHER, 1, accepted(1_000_000)));
    world.refused(&settle(1, 1), "ledger.job_state");
    world.ok(&slash(1, 1, MINER));
    world.refused(&refund(1), "ledger.job_state");
    world.ok(&settle(1, 1));
    assert_eq!((world.claimable(OTHER), world.claimable(MINER)), (7_500, 0));
    let attempt = world.ledger.job(&job(1)).unwrap().attempt.clone().unwrap();
    assert_eq!(attempt.miners[&id(MINER)].stage, MinerStage::Slashed);
    assert_eq!(attempt.miners[&id(OTHER)].stage, MinerStage::Paid);
}

#[test]
fn entries_about_other_miners_and_attempts_are_refused() {
    let mut world = World::new();
    world.assigned(1, MINER);
    world.refused(&committed(1, 1, OTHER), "ledger.not_assigned");
    world.refused(&committed(1, 2, MINER), "ledger.attempt");
    world.refused(&committed(8, 1, MINER), "ledger.unknown_job");
    world.refused(&audited(1, 1, MINER, 1, accepted(1)), "ledger.miner_stage");
    world.refused(&settle(1, 1), "ledger.job_state");
    world.ok(&committed(1, 1, MINER));
    world.refused(&audited(1, 1, MINER, 1, accepted(1_000_001)), "ledger.share");
    world.ok(&audited(1, 1, MINER, 1, accepted(0)));
    world.refused(&release(1, 1, MINER, false), "ledger.miner_stage");
    world.refused(&settle(1, 2), "ledger.attempt");
    world.ok(&settle(1, 1));
}
