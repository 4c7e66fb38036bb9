//! Random entries, valid and not: no credit is made or lost, nothing is below 0, everything is applied once, and the same
//! entries give the same state.

use std::collections::BTreeMap;

use infernet_ledger::{
    Action, Applied, Entry, Genesis, JobStatus, Ledger, LedgerParameters, MinerStage, Movement, Outcome, Pocket,
    ProofKind, Refund, RefundReason,
};
use proptest::prelude::*;

use crate::world::*;

/// What is tried. People are 1 to 5, jobs 1 to 6. A miner is one of the job's, if it has any, unless its number is 0 or 1.
#[derive(Clone, Debug)]
enum Try {
    Issue(u8, u8, u64),
    /// The number is right unless the flag is set.
    Ask(u8, bool, Action),
    Order(u8, u8, u64, u64),
    /// The stake is what is required, and so much more or (for the flag) less.
    Assign(u8, u64, Vec<u8>, u64, bool),
    Commit(u8, u8),
    Audit(u8, u8, u8, Outcome),
    Release(u8, u8, bool),
    Settle(u8),
    Slash(u8, u8),
    Refund(u8),
    Wait(u64),
    /// Whatever comes next for a job.
    Next(u8, u8, Vec<u8>, Outcome),
    /// An entry from before, again.
    Again(prop::sample::Index),
}

fn person() -> impl Strategy<Value = u8> {
    1u8..=5
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..200_000, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (person(), amount()).prop_map(|(to, amount_microcredits)| Action::Transfer { to: id(to), amount_microcredits }),
        amount().prop_map(|amount_microcredits| Action::Stake { amount_microcredits }),
        amount().prop_map(|amount_microcredits| Action::Unstake { amount_microcredits }),
        Just(Action::WithdrawStake),
        Just(Action::Claim),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let proof = prop::sample::select(vec![ProofKind::Signed, ProofKind::Measured, ProofKind::Attested]);
    prop_oneof![3 => (0u32..1_000_002).prop_map(accepted), 2 => proof.prop_map(rejected)]
}

fn attempt_at_something() -> impl Strategy<Value = Try> {
    let job = 1u8..=6;
    let miner = 0u8..12;
    let several = prop::collection::vec(person(), 0..4);
    prop_oneof![
        1 => (any::<u8>(), person(), amount()).prop_map(|(r, to, amount)| Try::Issue(r, to, amount)),
        3 => (person(), prop::bool::weighted(0.1), action()).prop_map(|(who, wrong, action)| Try::Ask(who, wrong, action)),
        3 => (job.clone(), person(), 0u64..30_000, 0u64..4).prop_map(|(j, who, deposit, days)| Try::Order(j, who, deposit, days)),
        5 => (job.clone(), 0u64..9_000, several, 0u64..9_000, prop::bool::weighted(0.1))
            .prop_map(|(j, fee, who, more, less)| Try::Assign(j, fee, who, more, less)),
        8 => (job.clone(), miner.clone()).prop_map(|(j, who)| Try::Commit(j, who)),
        9 => (job.clone(), miner.clone(), 0u8..4, outcome()).prop_map(|(j, who, verdict, outcome)| Try::Audit(j, who, verdict, outcome)),
        2 => (job.clone(), miner.clone(), any::<bool>()).prop_map(|(j, who, note)| Try::Release(j, who, note)),
        4 => job.clone().prop_map(Try::Settle),
        6 => (job.clone(), miner).prop_map(|(j, who)| Try::Slash(j, who)),
        2 => job.prop_map(Try::Refund),
        1 => (0..3 * DAY_MS).prop_map(Try::Wait),
        40 => (1u8..=6, 2u8..12, prop::collection::vec(person(), 1..4), outcome())
            .prop_map(|(j, pick, who, outcome)| Try::Next(j, pick, who, outcome)),
        2 => any::<prop::sample::Index>().prop_map(Try::Again),
    ]
}

/// The entry that is tried, made to fit the state where it can.
fn entry(ledger: &Ledger, now_ms: u64, before: &[Entry], what: &Try) -> Option<Entry> {
    let miner = |number: u8, who: u8| {
        let attempt = ledger.job(&job(number)).and_then(|job| job.attempt.as_ref());
        let nth = attempt.and_then(|attempt| attempt.miners.keys().nth(usize::from(who) % attempt.miners.len()));
        nth.filter(|_| who > 1)
            .copied()
            .and_then(|miner| (1..=5).find(|&person| id(person) == miner))
            .unwrap_or(who + 1)
    };
    let latest = |number: u8| ledger.job(&job(number)).and_then(|job| job.attempt.as_ref()).map_or(1, |a| a.number);
    Some(match what {
        Try::Issue(reference, to, amount) => issue(*reference, id(*to), *amount),
        Try::Ask(who, wrong, action) => {
            let next = ledger.account(&id(*who)).map_or(0, |account| account.next_nonce);
            request(*who, next + u64::from(*wrong), *action)
        }
        Try::Order(number, who, deposit, days) => order(*number, *who, *deposit, now_ms + days * DAY_MS),
        Try::Assign(number, fee, who, more, less) => {
            let mut who = who.clone();
            who.sort_unstable();
            who.dedup();
            let stake = |person: u8| {
                let need =
                    ledger.required_stake(&id(person), STEPS, *fee, fee / who.len() as u64).unwrap().stake_microcredits;
                if *less { need.saturating_sub(1 + more) } else { need + more }
            };
            let miners: Vec<(u8, u64)> = who.iter().map(|&person| (person, stake(person))).collect();
            assign(*number, ledger.job(&job(*number)).map_or(1, infernet_ledger::Job::next_attempt), *fee, &miners)
        }
        Try::Commit(number, who) => committed(*number, latest(*number), miner(*number, *who)),
        Try::Audit(number, who, verdict, outcome) => {
            audited(*number, latest(*number), miner(*number, *who), *verdict, outcome.clone())
        }
        Try::Release(number, who, note) => release(*number, latest(*number), miner(*number, *who), *note),
        Try::Settle(number) => settle(*number, latest(*number)),
        Try::Slash(number, who) => slash(*number, latest(*number), miner(*number, *who)),
        Try::Refund(number) => Entry::Refund(Refund { job: job(*number), reason: RefundReason::Failed }),
        Try::Wait(_) => return None,
        Try::Next(number, pick, who, outcome) => {
            let stages = ledger.job(&job(*number)).and_then(|job| job.attempt.as_ref()).map(|attempt| &attempt.miners);
            let stage_of = |who: u8| stages.and_then(|miners| miners.get(&id(who))).map(|part| part.stage);
            let person = miner(*number, *pick);
            let next = match (ledger.job(&job(*number)).map(infernet_ledger::Job::status), stage_of(person)) {
                (None, _) => Try::Order(*number, who[0], 20_000 + u64::from(*pick), 3),
                (Some(JobStatus::Posted | JobStatus::Slashed), _) => Try::Assign(*number, 5_000, who.clone(), 7, false),
                (_, Some(MinerStage::Assigned)) => Try::Commit(*number, *pick),
                (_, Some(MinerStage::Committed)) => Try::Audit(*number, *pick, 9, outcome.clone()),
                (_, Some(MinerStage::Rejected { proof })) if proof.may_slash() => Try::Slash(*number, *pick),
                (_, Some(MinerStage::Rejected { .. })) => Try::Release(*number, *pick, true),
                // A dispute about a paid job, sometimes.
                (_, Some(MinerStage::Paid)) => Try::Audit(*number, *pick, 10, rejected(ProofKind::Signed)),
                _ => Try::Settle(*number),
            };
            return entry(ledger, now_ms, before, &next);
        }
        Try::Again(_) if before.is_empty() => return None,
        Try::Again(index) => index.get(before).clone(),
    })
}

/// What is in every pocket, by the movements alone.
#[derive(Default)]
struct Pockets(BTreeMap<Pocket, i128>);

impl Pockets {
    fn book(&mut self, movements: &[Movement]) {
        for movement in movements {
            *self.0.entry(movement.from).or_default() -= i128::from(movement.amount_microcredits);
            *self.0.entry(movement.to).or_default() += i128::from(movement.amount_microcredits);
        }
    }

    fn of(&self, pocket: Pocket) -> i128 {
        self.0.get(&pocket).copied().unwrap_or(0)
    }

    fn check(&self, ledger: &Ledger) {
        let totals = ledger.totals();
        assert!(totals.conserved(), "{totals:?}");
        assert_eq!(-self.of(Pocket::Issued), totals.issued as i128);
        assert_eq!(self.of(Pocket::Burned), totals.burned as i128);
        for (who, account) in ledger.accounts() {
            assert_eq!(self.of(Pocket::Balance(*who)), account.balance.into());
            assert_eq!(self.of(Pocket::FreeStake(*who)), account.stake.free.into());
            assert_eq!(self.of(Pocket::LockedStake(*who)), account.stake.locked() as i128);
            assert_eq!(self.of(Pocket::Unstaking(*who)), account.stake.unstaking_total() as i128);
            assert_eq!(self.of(Pocket::Claimable(*who)), account.claimable.into());
            assert!(account.standing.trust_ppm <= 1_000_000);
        }
        for (number, job) in ledger.jobs() {
            assert_eq!(self.of(Pocket::Escrow(*number)), job.escrow_microcredits.into());
            assert!(job.escrow_microcredits <= job.deposit_microcredits);
            assert!(job.compensated_microcredits <= job.deposit_microcredits);
            assert!(!job.status().ended() || job.escrow_microcredits == 0, "money is stuck in {number}");
        }
        assert_eq!(ledger.open_jobs().count(), ledger.jobs().filter(|(_, job)| !job.status().ended()).count());
    }
}

fn genesis() -> Genesis {
    Genesis { ledger: ledger_id(), parameters: LedgerParameters::default() }
}

/// Applies everything; gives the ledger, the entries that were applied with their times, and how many were refused.
fn run(tries: &[Try]) -> (Ledger, Vec<(Entry, u64)>, usize) {
    let mut ledger = Ledger::new(genesis(), START_MS).unwrap();
    let (mut pockets, mut applied, mut entries, mut refused) = (Pockets::default(), Vec::new(), Vec::new(), 0);
    let mut now_ms = START_MS;
    let rich = (1..=5).map(|person| Try::Issue(200 + person, person, 900_000));
    let staked = (1..=5).map(|person| Try::Ask(person, false, Action::Stake { amount_microcredits: 600_000 }));
    for what in rich.chain(staked).chain(tries.iter().cloned()) {
        now_ms += if let Try::Wait(ms) = &what { *ms } else { 1 };
        let Some(entry) = entry(&ledger, now_ms, &entries, &what) else { continue };
        let before = ledger.digest();
        match ledger.apply(&entry, now_ms) {
            Ok(Applied::New(movements)) => {
                pockets.book(&movements);
                pockets.check(&ledger);
                let digest = ledger.digest();
                assert_eq!(ledger.apply(&entry, now_ms), Ok(Applied::AlreadyApplied));
                assert_eq!(ledger.digest(), digest, "{entry:?} was applied twice");
                applied.push((entry.clone(), now_ms));
            }
            Ok(Applied::AlreadyApplied) => assert_eq!(ledger.digest(), before),
            Err(error) => {
                assert_ne!(error.code(), "ledger.conservation", "{entry:?}: {error}");
                assert_eq!(ledger.digest(), before, "{entry:?} was refused and left something behind");
                refused += 1;
            }
        }
        entries.push(entry);
    }
    (ledger, applied, refused)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn credits_are_conserved_and_entries_applied_once(tries in prop::collection::vec(attempt_at_something(), 1..120)) {
        let (ledger, applied, _) = run(&tries);
        let mut again = Ledger::new(genesis(), START_MS).unwrap();
        for (entry, now_ms) in &applied {
            let read = Entry::from_bytes(&entry.to_bytes()).unwrap();
            prop_assert!(matches!(again.apply(&read, *now_ms), Ok(Applied::New(_))));
        }
        prop_assert_eq!(again.digest(), ledger.digest());
    }
}

/// The random entries above are worth something only if they get everywhere.
#[test]
fn random_entries_reach_every_kind_and_every_end() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(attempt_at_something(), 120);
    let (mut kinds, mut ends, mut refusals) = (BTreeMap::new(), BTreeMap::new(), 0);
    for _ in 0..40 {
        let tries = strategy.new_tree(&mut runner).unwrap().current();
        let (ledger, applied, refused) = run(&tries);
        refusals += refused;
        for (entry, _) in applied {
            *kinds.entry(entry.kind()).or_insert(0) += 1;
        }
        for (_, job) in ledger.jobs() {
            *ends.entry(job.status().to_string()).or_insert(0) += 1;
        }
    }
    // All but the first entry, which is made by itself.
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    assert!(kinds.values().all(|&count| count >= 10), "{kinds:?}");
    assert!(ends.contains_key("settled") && ends.contains_key("refunded"), "{ends:?}");
    assert!(refusals > 500, "{refusals}");
}
