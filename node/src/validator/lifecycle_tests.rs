//! Jobs under any order of events.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use infernet_network::proof::{Digest, Proof, PublicKey};
use proptest::prelude::*;

use super::lifecycle::{Action, Delivery, Event, Judgement, MAX_ATTEMPTS, Paid, step};
use super::record::{Attempt, JobRecord, Run, Stage};

/// What happens to a job as it is.
type Happening = fn(&JobRecord) -> Event;

const DEADLINE: u64 = 1_000_000;
const RUN: Run = Run { attempt: 1, part: 0 };

fn miner(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

fn posted() -> JobRecord {
    JobRecord {
        spec: vec![1],
        opening: vec![2],
        requester: miner(200),
        deposit_microcredits: 1000,
        posted_ms: 0,
        deadline_ms: DEADLINE,
        miners: 1,
        attempt: 0,
        passed_over: Vec::new(),
        stage: Stage::Posted { not_before_ms: 0 },
        history: Vec::new(),
    }
}

fn attempt(number: u32, who: u8, deadline_ms: u64) -> Attempt {
    Attempt {
        miner: miner(who),
        number,
        challenge: vec![3],
        nonce: [4; 32],
        tolerance: Digest::ZERO,
        fee_microcredits: 700,
        stake_microcredits: 2000,
        deadline_ms,
        steps_done: 0,
        part: 0,
    }
}

/// Goes through events, each at its time, that all must fit.
fn go(events: impl IntoIterator<Item = (u64, Happening)>) -> (JobRecord, Vec<Action>) {
    let (mut record, mut all) = (posted(), Vec::new());
    for (now, event) in events {
        let (next, actions) = step(&record, event(&record), now).unwrap();
        record = next;
        all.extend(actions);
    }
    (record, all)
}

fn chosen(_: &JobRecord) -> Event {
    Event::Chosen(attempt(1, 1, 100))
}

fn accepted(_: &JobRecord) -> Event {
    Event::Accepted { miner: miner(1), run_deadline_ms: 1000 }
}

fn committed(_: &JobRecord) -> Event {
    Event::Committed { miner: miner(1), bytes: vec![9], reveal_deadline_ms: 2000 }
}

fn reveal(_: &JobRecord) -> Event {
    Event::Delivered { miner: miner(1), what: Delivery::Reveal, audit_deadline_ms: 5000 }
}

fn clip(_: &JobRecord) -> Event {
    Event::Delivered { miner: miner(1), what: Delivery::Clip, audit_deadline_ms: 5000 }
}

fn good(_: &JobRecord) -> Event {
    let verdict = Judgement::Accepted { quality_ppm: 900_000, digest: Digest::ZERO };
    Event::Judged { attempt: 1, miner: miner(1), verdict }
}

fn rejected(proof: Proof) -> Event {
    let verdict = Judgement::Rejected { check: "model_output".to_owned(), proof, digest: Digest::ZERO };
    Event::Judged { attempt: 1, miner: miner(1), verdict }
}

fn tick(_: &JobRecord) -> Event {
    Event::Tick
}

const TO_AUDIT: [(u64, Happening); 6] =
    [(0, tick), (1, chosen), (2, accepted), (500, committed), (501, clip), (502, reveal)];

#[test]
fn a_run_that_fails_before_its_acceptance_is_heard_of_goes_to_another() {
    let failed: Happening =
        |_| Event::Failed { miner: miner(1), code: "worker.crashed".to_owned(), message: "gone".to_owned() };
    let (record, _) = go([(1, (|_| Event::Tick) as Happening), (2, chosen), (3, failed)]);
    assert!(matches!(record.stage, Stage::Posted { .. }));
    assert_eq!(record.history[0].code, "worker.crashed");
    assert!(record.passed_over.iter().any(|passed| passed.miner == miner(1) && passed.until_ms.is_none()));
    // The acceptance comes too late and changes nothing.
    assert!(step(&record, accepted(&record), 4).is_err());
}

#[test]
fn an_honest_job_is_paid_once() {
    let (record, actions) = go(TO_AUDIT.into_iter().chain([(600, good as Happening)]));
    assert!(matches!(record.stage, Stage::Settled(..)));
    let paid = Paid { miner: miner(1), quality_ppm: 900_000, verdict: Digest::ZERO };
    let settle = Action::Settle { run: RUN, miners: vec![paid] };
    let (offer, audit) = (Action::Offer { miner: miner(1) }, Action::Audit { miner: miner(1) });
    assert_eq!(actions, [Action::Choose, offer, Action::PublishNonce, audit, settle, Action::Announce]);
    // Whatever comes late changes nothing.
    for event in [Event::Tick, reveal(&record), committed(&record)] {
        let (same, again) = step(&record, event, DEADLINE + 1).unwrap();
        assert_eq!(same, record);
        assert!(again.iter().all(|action| *action == Action::PublishNonce));
    }
    assert!(step(&record, good(&record), 700).is_err());
    assert!(step(&record, Event::Cancelled, 700).is_err());
}

#[test]
fn a_proven_cheat_is_slashed_and_the_job_goes_on_with_another() {
    let (record, actions) = go(TO_AUDIT.into_iter().chain([(600, (|_| rejected(Proof::Measured)) as Happening)]));
    assert!(actions.contains(&Action::Slash {
        run: RUN,
        miner: miner(1),
        check: "model_output".to_owned(),
        proof: Proof::Measured,
        verdict: Digest::ZERO
    }));
    assert_eq!(record.stage, Stage::Posted { not_before_ms: 600 });
    assert_eq!(record.passed_over[0].until_ms, None);
    assert_eq!(record.history[0].code, "model_output");
}

#[test]
fn the_validators_word_never_slashes() {
    let (record, actions) = go(TO_AUDIT.into_iter().chain([(600, (|_| rejected(Proof::Attested)) as Happening)]));
    assert!(!actions.iter().any(|action| matches!(action, Action::Slash { .. })));
    assert!(actions.contains(&Action::Release { attempt: 1, miner: miner(1), late: true }));
    assert!(matches!(record.stage, Stage::Posted { .. }));
}

#[test]
fn a_refusal_is_no_attempt_and_costs_nothing() {
    let declined =
        |_: &JobRecord| Event::Declined { miner: miner(1), code: "policy.size".to_owned(), message: String::new() };
    let (record, actions) = go([(0, tick as Happening), (1, chosen), (2, declined)]);
    assert!(actions.iter().all(|action| !matches!(action, Action::Slash { .. } | Action::Release { late: true, .. })));
    assert!(record.passed_over[0].until_ms.is_some_and(|until| until > 2));
}

#[test]
fn another_commitment_gets_no_nonce() {
    let (record, _) = go([(0, tick as Happening), (1, chosen), (2, accepted), (500, committed)]);
    let same = Event::Committed { miner: miner(1), bytes: vec![9], reveal_deadline_ms: 9 };
    assert_eq!(step(&record, same, 510).unwrap().1, [Action::PublishNonce]);
    let other = Event::Committed { miner: miner(1), bytes: vec![8], reveal_deadline_ms: 9 };
    assert!(step(&record, other, 510).is_err());
    let stranger = Event::Committed { miner: miner(2), bytes: vec![9], reveal_deadline_ms: 9 };
    assert!(step(&record, stranger, 510).is_err());
}

fn any_event() -> impl Strategy<Value = (u8, u8, bool)> {
    (0_u8..12, 1_u8..4, any::<bool>())
}

fn event(record: &JobRecord, (kind, who, flag): (u8, u8, bool), next: u32, now: u64) -> Event {
    let miner = miner(who);
    let number = record.attempt;
    match kind {
        0 => Event::Chosen(attempt(next, who, now + 50)),
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
            let verdict = Judgement::Accepted { quality_ppm: 1, digest: Digest::ZERO };
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
        _ => Event::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Any events in any order at any times: money moves once, every locked stake is freed, slashed or paid, and time ends every job.
    #[test]
    fn every_job_ends_once(events in proptest::collection::vec((any_event(), 0_u64..300), 0..120)) {
        let mut record = posted();
        let mut now = 0;
        let (mut ends, mut over) = (0, BTreeSet::new());
        // As the ledger counts: the attempt whose stake is locked, and the number of the next one.
        let (mut locked, mut next_attempt): (Option<u32>, u32) = (None, 1);
        let rest = std::iter::repeat_n(((11, 1, false), 50_000), 60);
        for (code, wait) in events.into_iter().chain(rest) {
            now += wait;
            let happened = event(&record, code, next_attempt, now);
            let locks = matches!((&record.stage, &happened), (Stage::Offered(_), Event::Accepted { .. }));
            let Ok((next, actions)) = step(&record, happened, now) else { continue };
            if locks {
                prop_assert_eq!(locked, None);
                prop_assert_eq!(next.attempt, next_attempt);
                locked = Some(next.attempt);
                next_attempt += 1;
            }
            for action in &actions {
                match action {
                    Action::Release { late, .. } if locked.is_none() => prop_assert!(!late),
                    Action::Settle { run: Run { attempt, .. }, .. }
                    | Action::Slash { run: Run { attempt, .. }, .. }
                    | Action::Release { attempt, .. } => {
                        prop_assert!(over.insert(*attempt), "attempt {} ended twice", attempt);
                        prop_assert_eq!(locked.take(), Some(*attempt));
                    }
                    _ => {}
                }
                ends += u32::from(matches!(action, Action::Settle { .. } | Action::Refund));
            }
            prop_assert!(next.attempt <= MAX_ATTEMPTS);
            prop_assert!(!record.stage.is_final() || next == record, "a job that was over changed");
            record = next;
        }
        prop_assert!(record.stage.is_final(), "stuck in {}", record.stage.name());
        prop_assert_eq!(ends, 1);
        prop_assert_eq!(locked, None);
    }
}
