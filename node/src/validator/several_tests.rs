//! Jobs of several miners under any order of events.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use infernet_network::proof::{Digest, Proof, PublicKey};
use proptest::prelude::*;

use super::lifecycle::{Action, Delivery, Event, Judgement, MAX_ATTEMPTS, Paid, resume, step};
use super::record::{At, Attempt, JobRecord, Run, Stage};

const DEADLINE: u64 = 1_000_000;

fn miner(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

fn posted(miners: u32) -> JobRecord {
    JobRecord {
        spec: vec![1],
        opening: vec![2],
        requester: miner(200),
        deposit_microcredits: 1000,
        posted_ms: 0,
        deadline_ms: DEADLINE,
        miners,
        attempt: 0,
        passed_over: Vec::new(),
        stage: Stage::Posted { not_before_ms: 0 },
        history: Vec::new(),
    }
}

fn attempts(number: u32, who: std::ops::Range<u8>, deadline_ms: u64) -> Vec<Attempt> {
    let one = |(who, part)| Attempt {
        miner: miner(who),
        number,
        challenge: vec![3],
        nonce: [4; 32],
        tolerance: Digest::ZERO,
        fee_microcredits: 700,
        stake_microcredits: 2000,
        deadline_ms,
        steps_done: 0,
        part,
    };
    who.zip(0..).map(one).collect()
}

fn accepted(who: u8) -> Event {
    Event::Accepted { miner: miner(who), run_deadline_ms: 1000 }
}

fn committed(who: u8) -> Event {
    Event::Committed { miner: miner(who), bytes: vec![who], reveal_deadline_ms: 2000 }
}

fn delivered(who: u8, what: Delivery) -> Event {
    Event::Delivered { miner: miner(who), what, audit_deadline_ms: 5000 }
}

fn good(who: u8, quality_ppm: u32) -> Event {
    Event::Judged {
        attempt: 1,
        miner: miner(who),
        verdict: Judgement::Accepted { quality_ppm, digest: Digest([who; 32]) },
    }
}

fn bad(who: u8) -> Event {
    let verdict =
        Judgement::Rejected { check: "model_output".to_owned(), proof: Proof::Measured, digest: Digest([who; 32]) };
    Event::Judged { attempt: 1, miner: miner(who), verdict }
}

fn declined(who: u8) -> Event {
    Event::Declined { miner: miner(who), code: "policy.size".to_owned(), message: String::new() }
}

/// Goes through events, a millisecond each, that all must fit.
fn go(mut record: JobRecord, events: impl IntoIterator<Item = Event>) -> (JobRecord, Vec<Action>) {
    let mut all = Vec::new();
    for (event, now) in events.into_iter().zip(1..) {
        let (next, actions) = step(&record, event, now).unwrap();
        record = next;
        all.extend(actions);
    }
    (record, all)
}

fn run(who: u8) -> [Event; 3] {
    [committed(who), delivered(who, Delivery::Clip), delivered(who, Delivery::Reveal)]
}

fn three_at_work() -> JobRecord {
    let chosen = Event::ChosenSeveral(attempts(1, 1..4, 100));
    go(posted(3), [chosen, accepted(1), accepted(2), accepted(3), Event::Begun]).0
}

#[test]
fn stake_is_locked_when_all_have_answered() {
    let (record, actions) = go(posted(3), [Event::ChosenSeveral(attempts(1, 1..4, 100)), accepted(2), accepted(1)]);
    assert_eq!(actions, [1, 2, 3].map(|who| Action::Offer { miner: miner(who) }));
    // One of them does not want it: the others begin.
    let (record, actions) = go(record, [declined(3)]);
    assert_eq!(actions.last(), Some(&Action::Begin));
    assert_eq!(resume(&record), [Action::Begin]);
    let (record, _) = go(record, [Event::Begun]);
    assert!(record.stage.parts().iter().all(|part| part.at == At::Running));
    assert_eq!(record.stage.at_work().len(), 2);
}

#[test]
fn a_lock_that_fails_frees_all_and_others_are_looked_for() {
    let chosen = Event::ChosenSeveral(attempts(1, 1..3, 100));
    let failed = Event::NotBegun { code: "ledger.stake".to_owned(), message: "too little".to_owned() };
    let (record, actions) = go(posted(2), [chosen, accepted(1), accepted(2), failed]);
    assert!(matches!(record.stage, Stage::Posted { .. }));
    for who in [1, 2] {
        assert!(actions.contains(&Action::Release { attempt: 1, miner: miner(who), late: false }));
        assert!(actions.contains(&Action::Stop { miner: miner(who) }));
    }
}

#[test]
fn the_best_clip_is_taken_and_all_who_were_accepted_are_paid() {
    let events = run(2).into_iter().chain([good(2, 500_000)]).chain(run(1)).chain(run(3));
    let (record, actions) = go(three_at_work(), events);
    assert!(!actions.iter().any(|action| matches!(action, Action::Settle { .. })), "{actions:?}");
    let (record, actions) = go(record, [bad(1), good(3, 900_000)]);
    let paid = |who, quality_ppm| Paid { miner: miner(who), quality_ppm, verdict: Digest([who; 32]) };
    let best = Run { attempt: 1, part: 2 };
    assert!(matches!(&actions[0], Action::Slash { run, miner: who, .. } if run.part == 0 && *who == miner(1)));
    assert_eq!(
        actions[1..],
        [Action::Settle { run: best, miners: vec![paid(2, 500_000), paid(3, 900_000)] }, Action::Announce]
    );
    assert!(matches!(&record.stage, Stage::Settled(attempt, _) if attempt.miner == miner(3)));
    assert_eq!(record.runs().next(), Some(best));
    assert_eq!(record.history[0].code, "model_output");
}

#[test]
fn nobody_but_cheats_leads_to_other_miners() {
    let chosen = Event::ChosenSeveral(attempts(1, 1..3, 100));
    let (record, _) = go(posted(2), [chosen, accepted(1), accepted(2), Event::Begun]);
    let (record, actions) = go(record, run(1).into_iter().chain(run(2)).chain([bad(1), bad(2)]));
    assert!(matches!(record.stage, Stage::Posted { .. }));
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Slash { .. })).count(), 2);
    assert!(!actions.iter().any(|action| matches!(action, Action::Refund | Action::Settle { .. })));
}

#[test]
fn a_slow_miner_costs_the_others_nothing() {
    let (record, _) = go(three_at_work(), run(1).into_iter().chain(run(2)).chain([good(1, 1), good(2, 2)]));
    let (record, actions) = step(&record, Event::Tick, 1000).unwrap();
    assert!(actions.contains(&Action::Release { attempt: 1, miner: miner(3), late: true }));
    assert!(matches!(actions[actions.len() - 2], Action::Settle { .. }));
    assert!(matches!(record.stage, Stage::Settled(..)));
}

#[test]
fn it_can_be_cancelled_until_somebody_has_committed() {
    let record = three_at_work();
    let (over, actions) = step(&record, Event::Cancelled, 10).unwrap();
    assert!(matches!(over.stage, Stage::Refunded { .. }));
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Release { .. })).count(), 3);
    assert_eq!(actions.iter().filter(|action| **action == Action::Refund).count(), 1);
    let (record, _) = go(record, [committed(2)]);
    assert!(step(&record, Event::Cancelled, 10).is_err());
}

#[test]
fn parts_that_can_not_be_are_refused() {
    let twice = vec![attempts(1, 1..2, 9)[0].clone(), Attempt { part: 1, ..attempts(1, 1..2, 9)[0].clone() }];
    let skipped: Vec<Attempt> = attempts(1, 1..4, 9).into_iter().skip(1).collect();
    for parts in [vec![], twice, skipped, attempts(0, 1..3, 9), attempts(1, 1..18, 9)] {
        assert!(step(&posted(3), Event::ChosenSeveral(parts), 1).is_err());
    }
}

#[test]
fn records_of_one_miner_from_before_are_read() {
    let mut record = posted(1);
    record.stage = Stage::Offered(attempts(1, 1..2, 9)[0].clone());
    let mut value = ciborium::Value::serialized(&record).unwrap();
    // As it was written before there were several miners.
    let without = |value: &mut ciborium::Value, name: &str| {
        value.as_map_mut().unwrap().retain(|(key, _)| key.as_text() != Some(name));
    };
    without(&mut value, "miners");
    let stage = value.as_map_mut().unwrap().iter_mut().find(|(key, _)| key.as_text() == Some("stage")).unwrap();
    without(&mut stage.1.as_map_mut().unwrap()[0].1, "part");
    assert_eq!(value.deserialized::<JobRecord>().unwrap(), record);
}

fn event(record: &JobRecord, (kind, who, flag): (u8, u8, bool), next: u32, now: u64) -> Event {
    let (number, miner) = (record.attempt, miner(who));
    match kind {
        0 => Event::ChosenSeveral(attempts(next, 1..4, now + 50)),
        1 => Event::Accepted { miner, run_deadline_ms: now + 400 },
        2 => Event::Declined { miner, code: "x".to_owned(), message: String::new() },
        3 => Event::Progress { miner, steps_done: 3 },
        4 => Event::Committed { miner, bytes: vec![who], reveal_deadline_ms: now + 200 },
        5 => Event::Delivered {
            miner,
            what: if flag { Delivery::Clip } else { Delivery::Reveal },
            audit_deadline_ms: now + 300,
        },
        6 => Event::Failed { miner, code: "x".to_owned(), message: String::new() },
        7 => {
            let verdict = Judgement::Accepted { quality_ppm: who.into(), digest: Digest::ZERO };
            Event::Judged { attempt: number, miner, verdict }
        }
        8 => {
            let proof = if flag { Proof::Measured } else { Proof::Attested };
            let verdict = Judgement::Rejected { check: "c".to_owned(), proof, digest: Digest::ZERO };
            Event::Judged { attempt: number, miner, verdict }
        }
        9 => Event::AuditFailed { attempt: number, miner, message: String::new() },
        10 if flag => Event::Cancelled,
        10 => Event::NoMiner,
        11 => Event::Begun,
        12 if flag => Event::NotBegun { code: "x".to_owned(), message: String::new() },
        _ => Event::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Any events in any order at any times: money moves once, each locked stake is freed, slashed or paid once, and time ends every job.
    #[test]
    fn every_job_of_several_miners_ends_once(
        events in proptest::collection::vec(((0_u8..14, 1_u8..5, any::<bool>()), 0_u64..200), 0..200),
    ) {
        let mut record = posted(3);
        let (mut now, mut ends) = (0, 0);
        // As the ledger has it: whose stake is locked in which attempt, and the number of the next one.
        let (mut locked, mut next_attempt): (BTreeMap<[u8; 32], u32>, u32) = (BTreeMap::new(), 1);
        let rest = std::iter::repeat_n(((13, 1, false), 50_000), 80);
        for (code, wait) in events.into_iter().chain(rest) {
            now += wait;
            let happened = event(&record, code, next_attempt, now);
            let begins = happened == Event::Begun;
            let Ok((next, actions)) = step(&record, happened, now) else { continue };
            if begins {
                prop_assert!(locked.is_empty());
                prop_assert_eq!(next.attempt, next_attempt);
                locked.extend(next.stage.at_work().iter().map(|attempt| (attempt.miner.0, attempt.number)));
                next_attempt += 1;
            }
            for action in &actions {
                match action {
                    Action::Settle { run, miners } => {
                        for paid in miners {
                            prop_assert_eq!(locked.remove(&paid.miner.0), Some(run.attempt));
                        }
                        let best = miners.iter().map(|paid| paid.quality_ppm).max();
                        prop_assert!(locked.is_empty(), "somebody is neither paid nor freed");
                        let taken = miners.iter().find(|paid| matches!(&next.stage, Stage::Settled(one, _) if one.miner == paid.miner));
                        prop_assert_eq!(taken.map(|paid| paid.quality_ppm), best);
                    }
                    Action::Slash { run, miner, .. } => prop_assert_eq!(locked.remove(&miner.0), Some(run.attempt)),
                    Action::Release { attempt, miner, late } => {
                        let was = locked.remove(&miner.0);
                        prop_assert!(was.is_none_or(|was| was == *attempt));
                        prop_assert!(!late || was.is_some());
                    }
                    Action::Refund => prop_assert!(locked.is_empty()),
                    _ => {}
                }
                ends += u32::from(matches!(action, Action::Settle { .. } | Action::Refund));
            }
            prop_assert!(next.attempt <= MAX_ATTEMPTS);
            prop_assert!(!record.stage.is_final() || next == record, "a job that was over changed");
            record = next;
        }
        prop_assert!(record.stage.is_final(), "stuck {}", record.stage.name());
        prop_assert_eq!(ends, 1);
        prop_assert!(locked.is_empty());
    }
}
