//! Made-up data for tests: never part of the program.

use std::sync::Arc;

use egui::{Color32, ColorImage};
use infernet_api::types::device::*;
use infernet_api::types::doctor::*;
use infernet_api::types::event::*;
use infernet_api::types::job::*;
use infernet_api::types::model::*;
use infernet_api::types::money::*;
use infernet_api::types::peer::*;
use infernet_api::types::settings::Settings;
use infernet_api::types::status::*;
use infernet_api::types::trust::*;
use infernet_api::types::verdict::*;
use infernet_api::{Digest, JobId, ModelId, NodeId, Problem};
use infernet_ui::snapshot::{Clip, DeviceSample, Preview};
use infernet_ui::{Connection, Loadable, Snapshot};

pub(crate) const NOW: u64 = 1_795_470_372_000;
const GIB: u64 = 1 << 30;

pub(crate) fn problem() -> Problem {
    Problem {
        code: "no_node".to_owned(),
        message: "no node is running at http://127.0.0.1:7420".to_owned(),
        next_step: "start it with: infernet node".to_owned(),
    }
}

/// Numbers that look like digests and repeat in every run (SplitMix64).
fn bytes<const N: usize>(seed: u64) -> [u8; N] {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::array::from_fn(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 56) as u8
    })
}

pub(crate) fn job_id(seed: u64) -> JobId {
    JobId(bytes(seed))
}

pub(crate) fn node_id(seed: u64) -> NodeId {
    NodeId(bytes(seed + 1000))
}

fn digest(seed: u64) -> Digest {
    Digest(bytes(seed + 2000))
}

pub(crate) fn model_id(name: &str) -> ModelId {
    name.parse().unwrap()
}

fn size(width: u32, height: u32, frames: u32, steps: u32) -> JobSize {
    JobSize { width, height, frames, frames_per_second: 8.0, steps, guidance: 7.5, scheduler: "ddim".to_owned() }
}

/// A picture: a sun over hills, moved by `time`.
fn scene(width: usize, height: usize, time: f32, noise: u32) -> Arc<ColorImage> {
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let sun = ((u - 0.3 - 0.4 * time).powi(2) * 2.0 + (v - 0.4).powi(2)).sqrt() < 0.13;
            let hill = v > 0.68 + 0.07 * (u * 9.0 + time).sin();
            let mut rgb = [60.0 + 180.0 * v, 40.0 + 70.0 * v, 110.0 - 20.0 * v];
            if sun {
                rgb = [255.0, 236.0, 190.0];
            }
            if hill {
                rgb = [44.0 * (1.6 - v), 30.0, 62.0 * (1.5 - v)];
            }
            let grain = if noise == 0 {
                0.0
            } else {
                (bytes::<1>((x / 4 + y / 4 * 977) as u64)[0] as f32 - 128.0) * noise as f32 / 100.0
            };
            let byte = |value: f32| (value + grain).clamp(0.0, 255.0) as u8;
            pixels.push(Color32::from_rgb(byte(rgb[0]), byte(rgb[1]), byte(rgb[2])));
        }
    }
    Arc::new(ColorImage::new([width, height], pixels))
}

pub(crate) fn clip() -> Clip {
    let frames = (0..16).map(|frame| scene(256, 144, frame as f32 / 16.0, 0)).collect();
    Clip { frames, frames_per_second: 8.0, mp4: Arc::new(Vec::new()) }
}

fn verdict(seed: u64, accepted: bool) -> VerdictSummary {
    let row = |name: &str, ok, leaf, error, bound| CheckRow { name: name.to_owned(), ok, leaf, error, bound };
    VerdictSummary {
        accepted,
        failed_check: (!accepted).then(|| "model_output".to_owned()),
        failed_leaf: (!accepted).then_some(11),
        proof: (!accepted).then_some(ProofKind::Measured),
        miner: node_id(0),
        validator: node_id(1),
        checks: vec![
            row("commitment_signature", true, None, None, None),
            row("merkle_path", true, Some(4), None, None),
            row(
                "model_output",
                accepted,
                Some(if accepted { 4 } else { 11 }),
                Some(if accepted { 3.1e-6 } else { 0.41 }),
                Some(2.0e-3),
            ),
            row("scheduler_step", true, Some(4), Some(8.8e-7), Some(1.0e-5)),
            row("decoded_frame", true, Some(31), Some(0.06), Some(1.0)),
        ],
        audited_steps: vec![4 + (seed % 5) as u32, 11, 22],
        reexecuted_ppm: 81_000,
        decided_unix_ms: NOW - 400_000 * seed,
    }
}

pub(crate) fn job(seed: u64, part: JobPart, stage: JobStage) -> Job {
    const PROMPTS: [&str; 6] = [
        "a red sun sinking behind violet hills, slow pan",
        "paper boats on a rainy street, macro",
        "an astronaut planting a tree on the moon",
        "a fox running through fresh snow, golden hour",
        "neon fish in a dark aquarium",
        "a lighthouse in a storm, waves breaking",
    ];
    let done = stage.is_final();
    let verdict =
        matches!(stage, JobStage::Settled | JobStage::Slashed).then(|| verdict(seed, stage == JobStage::Settled));
    Job {
        id: job_id(seed),
        part,
        created_unix_ms: NOW - 400_000 * seed - 60_000,
        updated_unix_ms: NOW - 400_000 * seed,
        prompt: (part == JobPart::Requested).then(|| PROMPTS[seed as usize % PROMPTS.len()].to_owned()),
        negative_prompt: None,
        model: Some(model_id(if seed.is_multiple_of(3) { "zeroscope-v2-576w" } else { "starter" })),
        model_digest: digest(seed % 3),
        size: size(256, 144, 16, 30),
        stage,
        attempt: 1,
        progress: JobProgress {
            done_ppm: if done { 1_000_000 } else { 633_000 },
            step: if done { 30 } else { 19 },
            steps: 30,
            seconds_per_step: Some(3.31),
            seconds_left: (!done).then_some(41.0),
        },
        stage_deadline_unix_ms: None,
        deadline_unix_ms: NOW + 600_000,
        deposit_microcredits: 11_667,
        fee_microcredits: 8_750,
        refunded_microcredits: 0,
        miners: Vec::new(),
        verdict,
        quality: Some(Quality { score_ppm: Some(873_000), ..Quality::default() }),
        clip: (part == JobPart::Requested && stage == JobStage::Settled).then(|| ClipInfo {
            url: String::new(),
            bytes: 184_000,
            sha256: digest(seed),
        }),
        preview_step: (!done).then_some(18),
        problem: None,
    }
}

fn devices() -> DeviceList {
    let gpu = Device {
        id: "cuda:0".to_owned(),
        name: "NVIDIA GeForce RTX 4090".to_owned(),
        vendor: "nvidia".to_owned(),
        kind: DeviceKind::DiscreteGpu,
        driver: Some("NVIDIA 580.95, CUDA 13.0".to_owned()),
        vram_total_bytes: Some(24 * GIB),
        vram_used_bytes: Some(15 * GIB + GIB / 2),
        vram_ours_bytes: Some(11 * GIB),
        temperature_celsius: Some(64.0),
        power_watts: Some(318.0),
        load_percent: Some(97.0),
        usability: DeviceUsability::Usable { backend: "cuda".to_owned() },
        benchmarks: vec![
            Benchmark { model: model_id("starter"), seconds_per_evaluation: 0.021, measured_unix_ms: NOW },
            Benchmark { model: model_id("zeroscope-v2-576w"), seconds_per_evaluation: 1.62, measured_unix_ms: NOW },
        ],
    };
    let old = Device {
        id: "0000:03:00.0".to_owned(),
        name: "AMD Radeon RX 580".to_owned(),
        vendor: "amd".to_owned(),
        driver: Some("amdgpu 6.12".to_owned()),
        vram_total_bytes: Some(8 * GIB),
        vram_used_bytes: Some(GIB),
        vram_ours_bytes: Some(0),
        temperature_celsius: Some(41.0),
        power_watts: Some(32.0),
        load_percent: Some(2.0),
        usability: DeviceUsability::Unusable {
            problem: Problem {
                code: "no_backend".to_owned(),
                message: "this program computes on NVIDIA and Apple GPUs and on the processor".to_owned(),
                next_step: "it goes on with another device; nothing needs to be done".to_owned(),
            },
        },
        benchmarks: Vec::new(),
        ..gpu.clone()
    };
    let cpu = Device {
        id: "cpu".to_owned(),
        name: "AMD Ryzen 9 7950X".to_owned(),
        vendor: "amd".to_owned(),
        kind: DeviceKind::Cpu,
        driver: None,
        vram_total_bytes: None,
        vram_used_bytes: None,
        vram_ours_bytes: None,
        power_watts: None,
        temperature_celsius: Some(52.0),
        load_percent: Some(12.0),
        usability: DeviceUsability::Usable { backend: "cpu".to_owned() },
        benchmarks: vec![Benchmark { model: model_id("starter"), seconds_per_evaluation: 0.34, measured_unix_ms: NOW }],
    };
    DeviceList {
        sampled_unix_ms: NOW,
        devices: vec![gpu, old, cpu],
        chosen: "cuda:0".to_owned(),
        chosen_reason: "It is the fastest usable device and has enough free memory.".to_owned(),
        memory: Memory { total_bytes: Some(64 * GIB), available_bytes: Some(41 * GIB), ours_bytes: Some(3 * GIB) },
        notes: Vec::new(),
    }
}

fn reachability() -> Reachability {
    Reachability {
        state: ReachabilityState::Relayed,
        reason: "Three nodes tried to connect to this one and none got through; a relay passes their connections on."
            .to_owned(),
        next_step: "Forward UDP port 4077 to this computer in your router, or switch UPnP on there.".to_owned(),
        addresses: vec![
            "/ip4/203.0.113.9/udp/4077/quic-v1/p2p-circuit".to_owned(),
            "/ip4/192.168.1.20/udp/4077/quic-v1".to_owned(),
        ],
    }
}

fn status() -> Status {
    Status {
        node_id: node_id(0),
        name: "Attic rig".to_owned(),
        version: "0.1.0".to_owned(),
        network: NetworkInfo {
            id: digest(0),
            name: "friends".to_owned(),
            validator: Some(node_id(1)),
            validator_connected: true,
            chain: None,
        },
        roles: [Role::Miner, Role::Requester].into(),
        started_unix_ms: NOW - 274_000_000,
        now_unix_ms: NOW,
        uptime_secs: 274_000,
        mining: MiningStatus {
            state: MiningState::Working,
            pause_reasons: [].into(),
            pause_ends_unix_ms: None,
            since_unix_ms: NOW - 60_000,
            attention: None,
        },
        worker: WorkerStatus {
            state: WorkerState::Busy,
            device: Some("NVIDIA GeForce RTX 4090".to_owned()),
            job: Some(job_id(0)),
            restarts: 0,
            next_start_unix_ms: None,
            memory_bytes: Some(11 * GIB),
            last_failure: None,
        },
        reachability: reachability(),
        peers_connected: 9,
        current_job: Some(job(0, JobPart::Mined, JobStage::Running)),
        earned_today_microcredits: 402_500,
        balance_microcredits: 18_204_250,
        trust_ppm: Some(928_000),
        identity_backed_up: false,
    }
}

fn earnings() -> Earnings {
    let bucket = |index: u64| EarningsBucket {
        start_unix_ms: NOW - (29 - index) * 86_400_000,
        earned_microcredits: 180_000 + 9_000 * (index * 7 % 23) + 4_000 * index,
        slashed_microcredits: if index == 17 { 42_090 } else { 0 },
        jobs: 30,
        energy_watt_hours: Some(210.0 + 9.0 * (index * 5 % 11) as f64),
    };
    Earnings {
        balance_microcredits: 18_204_250,
        pending_microcredits: 17_500,
        claimable_microcredits: 1_284_500,
        total_earned_microcredits: 61_903_750,
        total_slashed_microcredits: 42_090,
        total_spent_microcredits: 2_310_000,
        buckets: (0..30).map(bucket).collect(),
        models: Vec::new(),
        transactions: Vec::new(),
    }
}

/// A node with everything, on a network that settles on a chain.
pub(crate) fn on_a_chain() -> Snapshot {
    let mut snapshot = full();
    let transaction = |name: &str, state, block: Option<u64>, confirmations, note: &str| ChainTransaction {
        name: name.to_owned(),
        state,
        hash: block.map(|block| format!("0x{block:064x}")),
        url: block.map(|block| format!("https://sepolia.etherscan.io/tx/0x{block:064x}")),
        block,
        confirmations,
        confirmations_needed: 12,
        note: note.to_owned(),
    };
    let job = "0xe54b218f5ba5e5f2df401033a383942439e01f7bcd82eee8be5fc8bf2ba0abd2";
    let transactions = vec![
        transaction("claim request-7", ChainTransactionState::Pending, None, 0, ""),
        transaction(&format!("deposit {job}"), ChainTransactionState::Mined, Some(1_204), 3, ""),
        transaction("stake start-0", ChainTransactionState::Confirmed, Some(1_100), 12, ""),
        transaction("unstake api-0", ChainTransactionState::Failed, None, 0, "StakeTooSmall"),
    ];
    snapshot.earnings.ready_mut().into_iter().for_each(|earnings| earnings.transactions.clone_from(&transactions));
    snapshot.receipts = Loadable::Ready(ReceiptList::default());
    snapshot
}

pub(crate) fn receipt(sequence: u64) -> Receipt {
    let (kind, change) = match sequence % 5 {
        0 => (ReceiptKind::Settle, 8_750),
        1 => (ReceiptKind::Assign, -42_090),
        2 => (ReceiptKind::Release, 42_090),
        3 => (ReceiptKind::Claim, 262_500),
        _ => (ReceiptKind::OpenJob, -11_667),
    };
    Receipt {
        sequence,
        kind,
        change_microcredits: change,
        job: (sequence % 5 != 3).then(|| job_id(sequence)),
        time_unix_ms: NOW - 2000_u64.saturating_sub(sequence) * 500_000,
        hash: digest(sequence),
        signed_hex: "a0b1c2".to_owned(),
    }
}

fn trust() -> Trust {
    let mut trust = 0.0_f64;
    let history = (0..64)
        .map(|index| {
            let accepted = index != 38;
            trust = if accepted { trust + 0.1 * (1.0 - trust) } else { trust * 0.2 };
            TrustPoint { time_unix_ms: NOW, trust_ppm: (trust * 1e6) as u32, job: job_id(index), accepted }
        })
        .collect();
    Trust {
        own: Some(MinerTrust {
            id: node_id(0),
            trust_ppm: (trust * 1e6) as u32,
            quality_ppm: Some(861_000),
            jobs_accepted: 63,
            jobs_rejected: 1,
            jobs_released: 2,
            slashed_microcredits: 42_090,
            audit_rate_ppm: 66_667,
        }),
        history,
        miners: Vec::new(),
        rule: TrustRule { drift_ppm: 100_000, decay_ppm: 800_000, quality_moving_average_ppm: 100_000 },
    }
}

fn peers() -> PeerList {
    let peer = |seed: u64| Peer {
        id: node_id(seed),
        roles: match seed {
            1 => [Role::Validator].into(),
            2..=6 => [Role::Miner].into(),
            _ => [Role::Requester].into(),
        },
        agent: "infernet/0.1.0".to_owned(),
        address: format!("/ip4/198.51.100.{seed}/udp/4077/quic-v1"),
        connection: if seed % 4 == 3 { PeerConnection::Relayed } else { PeerConnection::Direct },
        rtt_ms: Some(4.0 * 2.1_f64.powi(seed as i32 % 7)),
        received_bytes_per_sec: Some(seed * 81_000),
        sent_bytes_per_sec: Some(seed * 23_000),
        score: 0.0,
        connected_unix_ms: NOW - seed * 3_500_000,
        offer: None,
    };
    PeerList {
        peers: (1..10).map(peer).collect(),
        banned: vec![BannedPeer {
            id: node_id(40),
            reason: "sent more messages than allowed".to_owned(),
            until_unix_ms: NOW + 3_000_000,
        }],
        reachability: reachability(),
    }
}

fn models() -> ModelList {
    let model = |id: &str, name: &str, text: &str, bytes, need, devices, clip, state| Model {
        id: model_id(id),
        name: name.to_owned(),
        description: text.to_owned(),
        license: "CC-BY-NC-4.0".to_owned(),
        digest: None,
        size_bytes: bytes,
        memory_needed_bytes: Some(need),
        devices_needed: Some(devices),
        defaults: clip,
        state,
    };
    ModelList {
        models: vec![
            model(
                "starter",
                "Starter",
                "Small shapes in motion; comes with the program, runs on any computer.",
                9 << 20,
                1 << 29,
                1,
                size(64, 64, 16, 20),
                ModelState::Installed { built_in: true },
            ),
            model(
                "zeroscope-v2-576w",
                "Zeroscope v2 576w",
                "General scenes at 576 by 320 pixels.",
                7 * GIB,
                9 * GIB,
                1,
                size(576, 320, 24, 30),
                ModelState::Installed { built_in: false },
            ),
            model(
                "modelscope-t2v",
                "ModelScope T2V 1.7B",
                "General scenes at 256 by 256 pixels.",
                6 * GIB,
                8 * GIB,
                1,
                size(256, 256, 16, 30),
                ModelState::Downloading { done_bytes: 4 * GIB, total_bytes: 6 * GIB, bytes_per_sec: 48 << 20 },
            ),
            model(
                "large-dit",
                "Large DiT 14B",
                "Long and sharp clips; needs several computers.",
                41 * GIB,
                62 * GIB,
                3,
                size(832, 480, 81, 50),
                ModelState::Available,
            ),
        ],
        disk_free_bytes: Some(312 * GIB),
    }
}

pub(crate) fn events(count: u64) -> Vec<Event> {
    let kind = |number: u64| match number % 6 {
        0 => EventKind::Reward { id: job_id(number), amount_microcredits: 8_750, receipt: Box::new(receipt(number)) },
        1 => EventKind::Verdict { id: job_id(number), verdict: Box::new(verdict(number, true)) },
        2 => EventKind::PeerConnected { id: node_id(number), peers_connected: 9 },
        3 => EventKind::Job { job: Box::new(job(number, JobPart::Mined, JobStage::Settled)) },
        4 => EventKind::Notice {
            level: NoticeLevel::Warning,
            problem: Problem {
                code: "hot".to_owned(),
                message: "the GPU came close to its temperature cap".to_owned(),
                next_step: "clean its fans".to_owned(),
            },
        },
        _ => EventKind::Reachability { reachability: reachability() },
    };
    (1..=count)
        .map(|number| Event { sequence: number, time_unix_ms: NOW - (count - number) * 47_000, kind: kind(number) })
        .collect()
}

pub(crate) fn proof(seed: u64, accepted: bool) -> JobProof {
    JobProof {
        job: job_id(seed),
        job_digest: digest(1),
        challenge_digest: digest(2),
        root: digest(3),
        leaf_count: 50,
        opened: vec![
            OpenedLeaf { index: 4, kind: LeafKind::Step, hash: digest(4), path: (10..16).map(digest).collect() },
            OpenedLeaf { index: 31, kind: LeafKind::Frame, hash: digest(5), path: (20..26).map(digest).collect() },
        ],
        verdict: verdict(seed, accepted),
        receipt: None,
        bundle: Some(BundleInfo { url: String::new(), bytes: 3_400_000, digest: digest(6) }),
    }
}

pub(crate) fn quote() -> Quote {
    Quote {
        size: size(64, 64, 16, 20),
        least_deposit_microcredits: 9_000,
        suggested_deposit_microcredits: 11_667,
        fee_microcredits: 8_750,
        balance_microcredits: 18_204_250,
        miners_able: 5,
        seconds: Some(66.0),
        suggested_deadline_secs: 900,
        chain: None,
    }
}

/// A node with everything.
pub(crate) fn full() -> Snapshot {
    let mut jobs = vec![job(0, JobPart::Requested, JobStage::Running)];
    jobs.extend(
        (1..10)
            .map(|seed| job(seed, JobPart::Requested, if seed == 4 { JobStage::Refunded } else { JobStage::Settled })),
    );
    jobs.extend(
        (10..22).map(|seed| job(seed, JobPart::Mined, if seed == 13 { JobStage::Slashed } else { JobStage::Settled })),
    );
    let samples = (0..120).map(|index: u64| {
        let wave = ((index as f64 / 9.0).sin() * 1.4 + 2.4).max(0.0);
        let ours = if index < 30 { 0 } else { 11 * GIB };
        DeviceSample {
            time_unix_ms: NOW - (119 - index) * 5000,
            ours_bytes: ours,
            used_bytes: ours + (wave * GIB as f64) as u64,
            load_percent: Some(90.0),
        }
    });
    let total = jobs.len() as u64;
    Snapshot {
        now_unix_ms: NOW,
        node_url: "http://127.0.0.1:7420".to_owned(),
        can_restart: true,
        can_join: true,
        can_backup: true,
        connection: Connection::Connected,
        status: Loadable::Ready(status()),
        devices: Loadable::Ready(devices()),
        samples: [("cuda:0".to_owned(), samples.collect())].into(),
        proofs: [(job_id(13), Loadable::Ready(proof(13, false)))].into(),
        earnings: Loadable::Ready(earnings()),
        receipts: Loadable::Ready(ReceiptList {
            receipts: (0..60).map(|index| receipt(1900 - index)).collect(),
            next: Some(1840),
        }),
        stake: Loadable::Ready(StakeInfo {
            balance_microcredits: 18_204_250,
            free_microcredits: 19_457_910,
            locked_microcredits: 42_090,
            locks: Vec::new(),
            unstaking: vec![Unstaking { amount_microcredits: 2_000_000, free_at_unix_ms: NOW + 40_000_000 }],
            cool_down_secs: 86_400,
            usual_lock_microcredits: Some(42_090),
            transactions: Vec::new(),
        }),
        refunds: Loadable::Ready(RefundList::default()),
        trust: Loadable::Ready(trust()),
        peers: Loadable::Ready(peers()),
        models: Loadable::Ready(models()),
        settings: Loadable::Ready(Settings::default()),
        doctor: Some(Loadable::Ready(DoctorReport {
            checks: vec![DoctorCheck {
                code: "disk_space".to_owned(),
                title: "Room on the disk".to_owned(),
                outcome: DoctorOutcome::Ok,
                found: "312 GiB are free.".to_owned(),
                next_step: String::new(),
            }],
        })),
        previews: [(job_id(0), Preview { step: Some(18), picture: scene(256, 144, 0.4, 22) })].into(),
        clips: [(job_id(1), Loadable::Ready(Arc::new(clip())))].into(),
        thumbnails: (1..10)
            .filter(|seed| *seed != 4)
            .map(|seed| (job_id(seed), scene(256, 144, seed as f32 * 0.11, 0)))
            .collect(),
        events: events(40).into(),
        jobs: Loadable::Ready(JobList { jobs, total, next: None }),
        ..Snapshot::default()
    }
}

/// A node that has just begun: everything is there, and nothing is in it.
pub(crate) fn empty() -> Snapshot {
    let full = full();
    let mut status = status();
    status.mining.state = MiningState::Waiting;
    status.current_job = None;
    (status.earned_today_microcredits, status.balance_microcredits, status.trust_ppm, status.peers_connected) =
        (0, 0, None, 0);
    Snapshot {
        status: Loadable::Ready(status),
        devices: Loadable::Ready(DeviceList { devices: Vec::new(), notes: Vec::new(), ..devices() }),
        jobs: Loadable::Ready(JobList::default()),
        earnings: Loadable::Ready(Earnings::default()),
        receipts: Loadable::Ready(ReceiptList::default()),
        stake: Loadable::Ready(StakeInfo { cool_down_secs: 86_400, ..StakeInfo::default() }),
        trust: Loadable::Ready(Trust { own: None, history: Vec::new(), ..trust() }),
        peers: Loadable::Ready(PeerList { peers: Vec::new(), banned: Vec::new(), reachability: reachability() }),
        models: Loadable::Ready(ModelList::default()),
        settings: Loadable::Ready(Settings::default()),
        now_unix_ms: NOW,
        node_url: full.node_url,
        connection: Connection::Connected,
        ..Snapshot::default()
    }
}

/// A node that does not answer yet.
pub(crate) fn loading() -> Snapshot {
    Snapshot { now_unix_ms: NOW, node_url: "http://127.0.0.1:7420".to_owned(), ..Snapshot::default() }
}

/// A node that is not there.
pub(crate) fn error() -> Snapshot {
    let mut snapshot = loading();
    snapshot.can_restart = true;
    snapshot.lost(Connection::Lost(problem()));
    snapshot
}
