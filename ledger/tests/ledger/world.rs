//! People with keys, and a ledger with a clock.

use infernet_ledger::{
    AccountId, AccountRequest, Action, Applied, Assign, Assignment, Audited, CheckName, Committed, Digest, Entry,
    Genesis, Issue, JobId, JobOrder, Ledger, LedgerError, LedgerId, LedgerParameters, Movement, Outcome, ProofKind,
    Release, ReleaseReason, Settle, SigningKey, Slash,
};

pub(crate) const STEPS: u32 = 30;
pub(crate) const START_MS: u64 = 1_700_000_000_000;
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

pub(crate) fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

pub(crate) fn id(person: u8) -> AccountId {
    AccountId::from(&key(person))
}

pub(crate) const VALIDATOR: u8 = 1;
pub(crate) const REQUESTER: u8 = 2;
pub(crate) const MINER: u8 = 3;
pub(crate) const OTHER: u8 = 4;

pub(crate) fn ledger_id() -> LedgerId {
    LedgerId { network: Digest([7; 32]), validator: id(VALIDATOR) }
}

pub(crate) fn job(number: u8) -> JobId {
    JobId([number; 16])
}

pub(crate) fn issue(reference: u8, to: AccountId, amount_microcredits: u64) -> Entry {
    Entry::Issue(Issue { reference: job(reference), to, amount_microcredits })
}

pub(crate) fn request(person: u8, nonce: u64, action: Action) -> Entry {
    Entry::Request(AccountRequest::sign(&ledger_id(), nonce, action, &key(person)))
}

pub(crate) fn order(number: u8, requester: u8, deposit: u64, deadline_ms: u64) -> Entry {
    let digest = Digest([number; 32]);
    Entry::OpenJob(JobOrder::sign(&ledger_id(), job(number), digest, deposit, STEPS, deadline_ms, &key(requester)))
}

pub(crate) fn assign(number: u8, attempt: u32, fee: u64, miners: &[(u8, u64)]) -> Entry {
    let mut miners: Vec<Assignment> = miners
        .iter()
        .map(|&(person, stake)| Assignment {
            miner: id(person),
            stake_microcredits: stake,
            cost_microcredits: fee / miners.len().max(1) as u64,
        })
        .collect();
    miners.sort_by_key(|one| one.miner);
    Entry::Assign(Assign { job: job(number), attempt, fee_microcredits: fee, miners })
}

pub(crate) fn committed(number: u8, attempt: u32, person: u8) -> Entry {
    Entry::Committed(Committed { job: job(number), attempt, miner: id(person), commitment: Digest([person; 32]) })
}

pub(crate) fn audited(number: u8, attempt: u32, person: u8, verdict: u8, outcome: Outcome) -> Entry {
    Entry::Audited(Audited { job: job(number), attempt, miner: id(person), verdict: Digest([verdict; 32]), outcome })
}

pub(crate) fn accepted(quality_ppm: u32) -> Outcome {
    Outcome::Accepted { quality_ppm }
}

pub(crate) fn rejected(proof: ProofKind) -> Outcome {
    Outcome::Rejected { check: "model_output".parse::<CheckName>().unwrap(), proof }
}

pub(crate) fn release(number: u8, attempt: u32, person: u8, trust_note: bool) -> Entry {
    Entry::Release(Release { job: job(number), attempt, miner: id(person), reason: ReleaseReason::Timeout, trust_note })
}

pub(crate) fn settle(number: u8, attempt: u32) -> Entry {
    Entry::Settle(Settle { job: job(number), attempt, dust_to: id(VALIDATOR) })
}

pub(crate) fn slash(number: u8, attempt: u32, person: u8) -> Entry {
    Entry::Slash(Slash { job: job(number), attempt, miner: id(person) })
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) now_ms: u64,
}

impl World {
    /// A ledger where requester and miners have a million micro-credits each, and both miners have all of it at stake.
    pub(crate) fn new() -> Self {
        let genesis = Genesis { ledger: ledger_id(), parameters: LedgerParameters::default() };
        let mut world = Self { ledger: Ledger::new(genesis, START_MS).unwrap(), now_ms: START_MS };
        for person in [REQUESTER, MINER, OTHER] {
            world.ok(&issue(person, id(person), 1_000_000));
        }
        for person in [MINER, OTHER] {
            world.ok(&request(person, 0, Action::Stake { amount_microcredits: 1_000_000 }));
        }
        world
    }

    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<Applied, LedgerError> {
        self.now_ms += 1;
        self.ledger.apply(entry, self.now_ms)
    }

    /// Applies an entry that fits.
    pub(crate) fn ok(&mut self, entry: &Entry) -> Vec<Movement> {
        match self.apply(entry) {
            Ok(Applied::New(movements)) => {
                assert!(self.ledger.totals().conserved(), "{entry:?}: {:?}", self.ledger.totals());
                movements
            }
            other => panic!("{entry:?}: {other:?}"),
        }
    }

    /// Applies an entry that must be refused with this code, and changes nothing.
    pub(crate) fn refused(&mut self, entry: &Entry, code: &str) {
        let before = self.ledger.digest();
        let error = self.apply(entry).expect_err(&format!("{entry:?} should be refused"));
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.next_step().is_empty());
        assert_eq!(self.ledger.digest(), before, "a refused entry left something behind: {entry:?}");
    }

    pub(crate) fn required(&self, person: u8, fee: u64, cost: u64) -> u64 {
        self.ledger.required_stake(&id(person), STEPS, fee, cost).unwrap().stake_microcredits
    }

    /// A job of 10,000 micro-credits, assigned to one miner for 7,500 with the stake it needs, which is given.
    pub(crate) fn assigned(&mut self, number: u8, person: u8) -> u64 {
        let deadline = self.now_ms + DAY_MS;
        self.ok(&order(number, REQUESTER, 10_000, deadline));
        let stake = self.required(person, 7_500, 7_500);
        self.ok(&assign(number, 1, 7_500, &[(person, stake)]));
        stake
    }

    pub(crate) fn balance(&self, person: u8) -> u64 {
        self.ledger.account(&id(person)).map_or(0, |account| account.balance)
    }

    pub(crate) fn claimable(&self, person: u8) -> u64 {
        self.ledger.account(&id(person)).map_or(0, |account| account.claimable)
    }

    pub(crate) fn free(&self, person: u8) -> u64 {
        self.ledger.account(&id(person)).map_or(0, |account| account.stake.free)
    }

    pub(crate) fn locked(&self, person: u8) -> u128 {
        self.ledger.account(&id(person)).map_or(0, |account| account.stake.locked())
    }
}
