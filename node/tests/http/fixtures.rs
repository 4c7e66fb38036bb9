//! One value of everything.

use std::collections::BTreeSet;

use infernet_api::types::device::{Device, DeviceKind, DeviceList, DeviceUsability, Memory};
use infernet_api::types::doctor::{DoctorCheck, DoctorOutcome, DoctorReport};
use infernet_api::types::job::{ClipInfo, Job, JobMiner, JobPart, JobProgress, JobSize, JobStage, Quote};
use infernet_api::types::log::{LogFilter, LogLevel, LogLine, LogLines};
use infernet_api::types::model::{Model, ModelList, ModelState};
use infernet_api::types::money::{
    Claimed, Earnings, EarningsBucket, Receipt, ReceiptKind, ReceiptList, Refund, RefundList, RefundState,
    StakeChanged, StakeInfo, Unstaking,
};
use infernet_api::types::peer::{InvitationLink, Peer, PeerConnection, PeerList};
use infernet_api::types::status::{
    MiningState, MiningStatus, NetworkInfo, PauseReason, Reachability, ReachabilityState, Role, Status, WorkerState,
    WorkerStatus,
};
use infernet_api::types::trust::{MinerTrust, Trust, TrustPoint, TrustRule};
use infernet_api::types::verdict::{CheckRow, JobProof, LeafKind, OpenedLeaf, ProofKind, Quality, VerdictSummary};
use infernet_api::{Digest, JobId, ModelId, NodeId, Problem};

pub(crate) const NOW_MS: u64 = 1_790_000_000_000;

pub(crate) fn node_id(byte: u8) -> NodeId {
    NodeId([byte; 32])
}

pub(crate) fn model_id() -> ModelId {
    "starter".parse().unwrap()
}

pub(crate) fn problem() -> Problem {
    Problem { code: "driver_too_old".into(), message: "the driver is too old".into(), next_step: "update it".into() }
}

pub(crate) fn mining(state: MiningState) -> MiningStatus {
    let pause_reasons = match state {
        MiningState::Paused => BTreeSet::from([PauseReason::Manual, PauseReason::TooHot]),
        _ => BTreeSet::new(),
    };
    MiningStatus { state, pause_reasons, pause_ends_unix_ms: None, since_unix_ms: NOW_MS, attention: None }
}

pub(crate) fn size() -> JobSize {
    JobSize {
        width: 64,
        height: 48,
        frames: 8,
        frames_per_second: 7.5,
        steps: 20,
        guidance: 2.0,
        scheduler: "ddim".into(),
    }
}

pub(crate) fn verdict() -> VerdictSummary {
    VerdictSummary {
        accepted: false,
        failed_check: Some("model_output".into()),
        failed_leaf: Some(3),
        proof: Some(ProofKind::Measured),
        miner: node_id(2),
        validator: node_id(3),
        checks: vec![CheckRow {
            name: "model_output".into(),
            ok: false,
            leaf: Some(3),
            error: Some(0.25),
            bound: Some(5e-5),
        }],
        audited_steps: vec![3, 11],
        reexecuted_ppm: 100_000,
        decided_unix_ms: NOW_MS,
    }
}

pub(crate) fn job(number: u8) -> Job {
    let id = JobId([number; 16]);
    let stage = if number.is_multiple_of(2) { JobStage::Settled } else { JobStage::Running };
    Job {
        id,
        part: JobPart::Requested,
        created_unix_ms: NOW_MS + u64::from(number),
        updated_unix_ms: NOW_MS + u64::from(number),
        prompt: Some("a red circle".into()),
        negative_prompt: None,
        model: Some(model_id()),
        model_digest: Digest([9; 32]),
        size: size(),
        stage,
        attempt: 1,
        progress: JobProgress {
            done_ppm: 500_000,
            step: 10,
            steps: 20,
            seconds_per_step: Some(0.5),
            seconds_left: Some(5.0),
        },
        stage_deadline_unix_ms: Some(NOW_MS + 60_000),
        deadline_unix_ms: NOW_MS + 600_000,
        deposit_microcredits: 10_000,
        fee_microcredits: 7_500,
        refunded_microcredits: 0,
        miners: vec![JobMiner {
            id: node_id(2),
            locked_stake_microcredits: 30_000,
            reward_microcredits: 0,
            slashed_microcredits: 0,
        }],
        verdict: None,
        quality: Some(Quality { score_ppm: Some(910_000), ..Quality::default() }),
        clip: stage.is_final().then(|| ClipInfo {
            url: format!("/v1/jobs/{id}/clip.mp4"),
            bytes: 1000,
            sha256: Digest([1; 32]),
        }),
        preview_step: Some(9),
        problem: None,
    }
}

pub(crate) fn quote() -> Quote {
    Quote {
        size: size(),
        least_deposit_microcredits: 9_000,
        suggested_deposit_microcredits: 10_000,
        fee_microcredits: 7_500,
        balance_microcredits: 1_000_000,
        miners_able: 3,
        seconds: Some(12.5),
        suggested_deadline_secs: 600,
        chain: None,
    }
}

pub(crate) fn proof(id: JobId) -> JobProof {
    JobProof {
        job: id,
        job_digest: Digest([4; 32]),
        challenge_digest: Digest([5; 32]),
        root: Digest([6; 32]),
        leaf_count: 31,
        opened: vec![OpenedLeaf { index: 3, kind: LeafKind::Step, hash: Digest([7; 32]), path: vec![Digest([8; 32])] }],
        verdict: verdict(),
        receipt: Some(receipt(ReceiptKind::Slash)),
        bundle: None,
    }
}

pub(crate) fn receipt(kind: ReceiptKind) -> Receipt {
    Receipt {
        sequence: 17,
        kind,
        change_microcredits: -250,
        job: Some(JobId([2; 16])),
        time_unix_ms: NOW_MS,
        hash: Digest([0xcd; 32]),
        signed_hex: "00ff".into(),
    }
}

pub(crate) fn receipts() -> ReceiptList {
    ReceiptList { receipts: vec![receipt(ReceiptKind::Settle)], next: Some(16) }
}

pub(crate) fn earnings() -> Earnings {
    Earnings {
        balance_microcredits: 1_000_000,
        claimable_microcredits: 7_500,
        buckets: vec![EarningsBucket {
            start_unix_ms: NOW_MS,
            earned_microcredits: 7_500,
            jobs: 1,
            ..Default::default()
        }],
        ..Earnings::default()
    }
}

pub(crate) fn claimed(amount: u64) -> Claimed {
    Claimed {
        claimed_microcredits: amount,
        balance_microcredits: 1_000_000 + amount,
        receipt: Some(receipt(ReceiptKind::Claim)),
        transaction: None,
    }
}

pub(crate) fn stake() -> StakeInfo {
    StakeInfo {
        balance_microcredits: 1_000_000,
        free_microcredits: 50_000,
        unstaking: vec![Unstaking { amount_microcredits: 5, free_at_unix_ms: NOW_MS }],
        cool_down_secs: 86_400,
        ..StakeInfo::default()
    }
}

pub(crate) fn stake_changed() -> StakeChanged {
    StakeChanged { stake: stake(), receipt: Some(receipt(ReceiptKind::Stake)), transaction: None }
}

pub(crate) fn refund(job: JobId) -> Refund {
    Refund {
        job,
        amount_microcredits: 10_000,
        state: RefundState::Done,
        time_unix_ms: NOW_MS,
        slashed_miner: Some(node_id(2)),
        receipt: Some(receipt(ReceiptKind::Refund)),
    }
}

pub(crate) fn refunds() -> RefundList {
    RefundList { refunds: vec![refund(JobId([2; 16]))] }
}

pub(crate) fn trust() -> Trust {
    let miner = MinerTrust {
        id: node_id(1),
        trust_ppm: 650_000,
        quality_ppm: Some(900_000),
        jobs_accepted: 10,
        jobs_rejected: 1,
        jobs_released: 0,
        slashed_microcredits: 250,
        audit_rate_ppm: 150_000,
    };
    Trust {
        own: Some(miner.clone()),
        history: vec![TrustPoint { time_unix_ms: NOW_MS, trust_ppm: 650_000, job: JobId([2; 16]), accepted: true }],
        miners: vec![miner],
        rule: TrustRule { drift_ppm: 100_000, decay_ppm: 800_000, quality_moving_average_ppm: 100_000 },
    }
}

pub(crate) fn reachability() -> Reachability {
    Reachability {
        state: ReachabilityState::Relayed,
        reason: "no port is forwarded".into(),
        next_step: "forward port 4001".into(),
        addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()],
    }
}

pub(crate) fn invitation() -> InvitationLink {
    InvitationLink { uri: "infernet://join/abc".into(), addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()] }
}

pub(crate) fn peers() -> PeerList {
    let peer = Peer {
        id: node_id(3),
        roles: BTreeSet::from([Role::Validator]),
        agent: "infernet/0.1.0".into(),
        address: "/ip4/192.0.2.7/udp/4001/quic-v1".into(),
        connection: PeerConnection::Direct,
        rtt_ms: Some(12.5),
        received_bytes_per_sec: Some(1000),
        sent_bytes_per_sec: None,
        score: 1.5,
        connected_unix_ms: NOW_MS,
        offer: None,
    };
    PeerList { peers: vec![peer], banned: Vec::new(), reachability: reachability() }
}

pub(crate) fn model(state: ModelState) -> Model {
    Model {
        id: model_id(),
        name: "Starter".into(),
        description: "Shapes that move.".into(),
        license: "MIT".into(),
        digest: Some(Digest([9; 32])),
        size_bytes: 30_000_000,
        memory_needed_bytes: Some(500_000_000),
        devices_needed: Some(1),
        defaults: size(),
        state,
    }
}

pub(crate) fn models() -> ModelList {
    ModelList { models: vec![model(ModelState::Installed { built_in: true })], disk_free_bytes: Some(1 << 40) }
}

pub(crate) fn devices() -> DeviceList {
    let cpu = Device {
        id: "cpu".into(),
        name: "A processor".into(),
        vendor: "amd".into(),
        kind: DeviceKind::Cpu,
        driver: None,
        vram_total_bytes: None,
        vram_used_bytes: None,
        vram_ours_bytes: None,
        temperature_celsius: Some(55.5),
        power_watts: None,
        load_percent: Some(12.5),
        usability: DeviceUsability::Usable { backend: "cpu".into() },
        benchmarks: Vec::new(),
    };
    let gpu = Device {
        id: "0000:01:00.0".into(),
        kind: DeviceKind::DiscreteGpu,
        usability: DeviceUsability::Unusable { problem: problem() },
        ..cpu.clone()
    };
    DeviceList {
        sampled_unix_ms: NOW_MS,
        devices: vec![gpu, cpu],
        chosen: "cpu".into(),
        chosen_reason: "no GPU can be used".into(),
        memory: Memory { total_bytes: Some(1 << 34), available_bytes: Some(1 << 33), ours_bytes: Some(1 << 28) },
        notes: vec![problem()],
    }
}

pub(crate) fn log(filter: LogFilter) -> LogLines {
    let line = |number: u64| LogLine {
        number,
        time_unix_ms: NOW_MS,
        level: LogLevel::Warn,
        target: "infernet_node::miner".to_owned(),
        text: format!("line {number}"),
    };
    LogLines { lines: (filter.after.unwrap_or(0) + 1..=3).map(line).collect() }
}

pub(crate) fn doctor() -> DoctorReport {
    let check = DoctorCheck {
        code: "disk_space".into(),
        title: "room on the disk".into(),
        outcome: DoctorOutcome::Ok,
        found: "1 TiB is free".into(),
        next_step: String::new(),
    };
    DoctorReport { checks: vec![check] }
}

pub(crate) fn status() -> Status {
    Status {
        node_id: node_id(1),
        name: "rig".into(),
        version: "0.1.0".into(),
        network: NetworkInfo {
            id: Digest([0xee; 32]),
            name: "home".into(),
            validator: Some(node_id(3)),
            validator_connected: true,
            chain: None,
        },
        roles: BTreeSet::from([Role::Miner, Role::Requester]),
        started_unix_ms: NOW_MS - 1000,
        now_unix_ms: NOW_MS,
        uptime_secs: 1,
        mining: mining(MiningState::Working),
        worker: WorkerStatus {
            state: WorkerState::Busy,
            device: Some("CPU".into()),
            job: Some(JobId([1; 16])),
            restarts: 0,
            next_start_unix_ms: None,
            memory_bytes: Some(1 << 28),
            last_failure: None,
        },
        reachability: reachability(),
        peers_connected: 1,
        current_job: Some(job(1)),
        earned_today_microcredits: 7_500,
        balance_microcredits: 1_000_000,
        trust_ppm: Some(650_000),
        identity_backed_up: false,
    }
}
