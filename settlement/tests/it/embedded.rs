//! The embedded ledger behind the trait.

use infernet_ledger::{
    AccountId, AccountRequest, Action, Digest, Entry, Issue, JobId, JobOrder, Journal, LedgerParameters, ProofKind,
    RefundReason, ReleaseReason, SigningKey,
};
use infernet_settlement::{
    Accepted, Assignment, Backend, Commitment, EmbeddedSettlement, Ending, Party, Payment, Penalty, Progress, Promise,
    Settlement,
};

const FEE: u64 = 9_000;

struct Swarm {
    _folder: tempfile::TempDir,
    journal: Journal,
    requester: SigningKey,
    miner: AccountId,
    now: u64,
    jobs: u8,
}

impl Swarm {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<SigningKey> = (1..4).map(|n| SigningKey::from_bytes(&[n; 32])).collect();
        let path = folder.path().join("ledger.sqlite");
        let mut journal = Journal::create(path, &keys[0], Digest([7; 32]), LedgerParameters::default(), 1_000).unwrap();
        for (n, key) in keys[1..].iter().enumerate() {
            let to = AccountId::from(key);
            let issue = Issue { reference: JobId([n as u8; 16]), to, amount_microcredits: 1_000_000 };
            journal.append(&Entry::Issue(issue), 2_000).unwrap();
        }
        let stake = Action::Stake { amount_microcredits: 500_000 };
        let request = AccountRequest::sign(journal.ledger().id(), 0, stake, &keys[2]);
        journal.append(&Entry::Request(request), 3_000).unwrap();
        let (requester, miner) = (keys[1].clone(), AccountId::from(&keys[2]));
        Self { _folder: folder, journal, requester, miner, now: 4_000, jobs: 0 }
    }

    fn open(&mut self) -> (JobId, Digest) {
        self.jobs += 1;
        let (job, digest) = (JobId([self.jobs; 16]), Digest([self.jobs; 32]));
        let order =
            JobOrder::sign(self.journal.ledger().id(), job, digest, 15_000, 30, self.now + 1_000_000, &self.requester);
        self.journal.append(&Entry::OpenJob(order), self.now).unwrap();
        (job, digest)
    }

    fn money(&mut self) -> EmbeddedSettlement<&mut Journal> {
        EmbeddedSettlement::new(&mut self.journal)
    }

    fn assign(&mut self, job: JobId, digest: Digest) {
        let (miner, now) = (self.miner, self.now);
        let promise = Promise { miner, stake_microcredits: 50_000, cost_microcredits: 7_000, acceptance: None };
        let assignment = Assignment { job, digest, attempt: 1, fee_microcredits: FEE, miners: vec![promise] };
        // Twice is once.
        self.money().assign(&assignment, now).unwrap();
        self.money().assign(&assignment, now + 1).unwrap();
        let commitment = Commitment { job, attempt: 1, miner, digest: Digest([1; 32]) };
        self.money().committed(&commitment, now + 2).unwrap();
    }
}

#[test]
fn the_ledger_behind_the_trait_is_the_ledger() {
    let mut swarm = Swarm::new();
    let (miner, now) = (swarm.miner, swarm.now + 10);
    let (job, digest) = swarm.open();
    let deposit = swarm.money().deposit(job, digest).unwrap().unwrap();
    assert_eq!(deposit.requester, Party::Peer(AccountId::from(&swarm.requester)));
    assert_eq!((deposit.amount_microcredits, deposit.ended), (15_000, false));
    assert_eq!(swarm.money().deposit(job, Digest([9; 32])).unwrap(), None);
    assert_eq!(swarm.money().backend(), Backend::Ledger);
    swarm.assign(job, digest);
    let payment = Payment {
        job,
        attempt: 1,
        proof_root: Digest([2; 32]),
        bundle: Digest([3; 32]),
        miners: vec![Accepted { miner, verdict: Digest([4; 32]), quality_ppm: 1_000_000 }],
        dust_to: miner,
    };
    assert_eq!(swarm.money().progress(job).unwrap(), Progress::Open);
    for _ in 0..2 {
        assert_eq!(swarm.money().settle(&payment, now).unwrap(), Progress::Settled);
    }
    assert_eq!(swarm.money().progress(job).unwrap(), Progress::Settled);
    assert_eq!(swarm.journal.ledger().account(&miner).unwrap().claimable, FEE);

    let (job, digest) = swarm.open();
    swarm.assign(job, digest);
    let penalty = Penalty {
        job,
        attempt: 1,
        miner,
        check: "transition".parse().unwrap(),
        proof: ProofKind::Signed,
        verdict: Digest([5; 32]),
        bundle: Digest([6; 32]),
    };
    assert_eq!(swarm.money().slash(&penalty, now).unwrap(), Progress::Slashed);
    assert_eq!(swarm.money().slash(&penalty, now).unwrap(), Progress::Slashed);
    let ending = Ending { job, attempt: 1, miner, reason: ReleaseReason::Failed, trust_note: false };
    assert_eq!(swarm.money().release(&ending, now).unwrap_err().code(), "ledger.miner_stage");
    assert_eq!(swarm.money().refund(job, RefundReason::Failed, now).unwrap(), Progress::Refunded);
    assert_eq!(swarm.money().progress(job).unwrap(), Progress::Refunded);
    assert!(swarm.journal.verify().unwrap().totals.conserved());
}
