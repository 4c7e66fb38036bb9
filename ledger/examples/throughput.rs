//! How fast the ledger is: `cargo run --release -p infernet-ledger --example throughput [jobs] [folder]`.
//!
//! A job is five entries: order (signed by the requester), assignment, commitment, verdict, settlement. Those made one by one
//! wait for the disk each time; put the folder on the disk that matters.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use infernet_ledger::{
    AccountId, AccountRequest, Action, Assign, Assignment, Audited, Committed, Digest, Entry, Genesis, Issue, JobId,
    JobOrder, Journal, Ledger, LedgerId, LedgerParameters, Outcome, Settle, SigningKey,
};

const MINERS: u8 = 50;
const DAY_MS: u64 = 24 * 3600 * 1000;

struct People {
    validator: SigningKey,
    requester: SigningKey,
    miners: Vec<SigningKey>,
    ledger: LedgerId,
}

impl People {
    fn new() -> Self {
        let key = |person: u8| SigningKey::from_bytes(&[person; 32]);
        let validator = key(200);
        let ledger = LedgerId { network: Digest([7; 32]), validator: (&validator).into() };
        Self { validator, requester: key(201), miners: (0..MINERS).map(key).collect(), ledger }
    }

    fn begin(&self) -> Vec<Entry> {
        let issue = |n: u8, key: &SigningKey, amount_microcredits| {
            Entry::Issue(Issue { reference: JobId([n; 16]), to: key.into(), amount_microcredits })
        };
        let mut entries = vec![issue(255, &self.requester, 1 << 50)];
        for (n, key) in (0..MINERS).zip(&self.miners) {
            entries.push(issue(n, key, 1 << 50));
            let action = Action::Stake { amount_microcredits: 1 << 49 };
            entries.push(Entry::Request(AccountRequest::sign(&self.ledger, 0, action, key)));
        }
        entries
    }

    fn job(&self, number: u64, now_ms: u64) -> [Entry; 5] {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&number.to_le_bytes());
        let job = JobId(name);
        let miner = AccountId::from(&self.miners[number as usize % self.miners.len()]);
        let digest = Digest([3; 32]);
        let assignment = Assignment { miner, stake_microcredits: 250_000, cost_microcredits: 7_000 };
        let outcome = Outcome::Accepted { quality_ppm: 850_000 };
        [
            Entry::OpenJob(JobOrder::sign(&self.ledger, job, digest, 10_000, 30, now_ms + DAY_MS, &self.requester)),
            Entry::Assign(Assign { job, attempt: 1, fee_microcredits: 7_500, miners: vec![assignment] }),
            Entry::Committed(Committed { job, attempt: 1, miner, commitment: digest }),
            Entry::Audited(Audited { job, attempt: 1, miner, verdict: digest, outcome }),
            Entry::Settle(Settle { job, attempt: 1, dust_to: self.ledger.validator }),
        ]
    }
}

fn report(what: &str, entries: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what:<44} {entries:>9} entries {seconds:>8.2} s {:>9.0} entries/s", entries as f64 / seconds);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let jobs: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let people = People::new();
    let parameters = LedgerParameters::default();
    // Jobs come a minute apart, so that about 29 of a miner's stakes are locked at any time.
    let time = |number: u64| 1_000_000 + number * 60_000;

    let entries: Vec<[Entry; 5]> = (0..jobs).map(|number| people.job(number, time(number))).collect();
    let mut ledger = Ledger::new(Genesis { ledger: people.ledger, parameters }, 0)?;
    for entry in people.begin() {
        ledger.apply(&entry, 0)?;
    }
    let begun = Instant::now();
    for (number, job) in entries.iter().enumerate() {
        for entry in job {
            ledger.apply(entry, time(number as u64))?;
        }
    }
    report("state machine", 5 * jobs, begun);

    let path = folder.path().join("ledger.sqlite");
    let mut journal = Journal::create(&path, &people.validator, people.ledger.network, parameters, 0)?;
    for result in journal.append_all(&people.begin(), 0)? {
        result?;
    }
    let single = entries.len().min(200);
    let begun = Instant::now();
    for (number, job) in entries[..single].iter().enumerate() {
        for entry in job {
            journal.append(entry, time(number as u64))?;
        }
    }
    report("journal, one by one", 5 * single as u64, begun);
    let begun = Instant::now();
    for (page, jobs) in entries[single..].chunks(20).enumerate() {
        let batch: Vec<Entry> = jobs.iter().flatten().cloned().collect();
        for result in journal.append_all(&batch, time((single + 20 * page) as u64))? {
            result?;
        }
    }
    report("journal, 100 at once", 5 * (jobs - single as u64), begun);
    let (digest, all) = (journal.ledger().digest(), journal.ledger().entries());
    drop(journal);

    let begun = Instant::now();
    let mut journal = Journal::open(&path, &people.validator)?;
    report("opening without a snapshot (and making one)", all, begun);
    let begun = Instant::now();
    journal.snapshot()?;
    report("snapshot", all, begun);
    drop(journal);
    let begun = Instant::now();
    let journal = Journal::open(&path, &people.validator)?;
    report("opening with a snapshot", all, begun);
    assert!(journal.ledger().digest() == digest, "the journal leads to another state");
    let begun = Instant::now();
    journal.verify()?;
    report("verify", all, begun);
    println!("{:.0} bytes per entry on the disk", std::fs::metadata(&path)?.len() as f64 / all as f64);
    Ok(())
}
