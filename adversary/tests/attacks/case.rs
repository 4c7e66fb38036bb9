//! The starter model, a small job on it, and audits of runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use infernet_adversary::{Attack, Exchange, Kind, Parameters, Remembered, Setting, Workshop};
use infernet_engine::pipeline::{LoadOptions, Precision, TensorDevice, VideoModel, load};
use infernet_engine::schedulers::{SchedulerConfig, SchedulerKind};
use infernet_network::inference::{Calibration, ModelAuditor, bounds};
use infernet_network::proof::{Audit, AuditPolicy, Committed, Digest, FrameRate, PairTolerance, ToleranceTable, audit};

pub(crate) const DIGEST: Digest = Digest([7; 32]);
const MEMORY: usize = 64 << 20;

pub(crate) fn starter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter")
}

pub(crate) fn on(device: TensorDevice, precision: Precision) -> Box<dyn VideoModel> {
    load(&starter(), &LoadOptions { device, precision, threads: Some(2) }).unwrap()
}

pub(crate) fn scheduler(kind: Option<SchedulerKind>) -> SchedulerConfig {
    SchedulerConfig::read(&starter().join("scheduler/scheduler_config.json"), kind).unwrap()
}

pub(crate) fn parameters(steps: u32) -> Parameters {
    Parameters {
        prompt: "a red circle moving right on a black background".to_owned(),
        negative_prompt: "a blue star".to_owned(),
        width: 64,
        height: 64,
        frames: 4,
        frame_rate: FrameRate { numerator: 8, denominator: 1 },
        steps,
        guidance: 4.0,
        scheduler: scheduler(None),
    }
}

/// Fewer frames still, for number formats that the CPU only emulates.
pub(crate) fn short(steps: u32) -> Parameters {
    Parameters { frames: 2, ..parameters(steps) }
}

/// Audits of exactly so many steps and one frame.
pub(crate) fn depth(steps: u32) -> AuditPolicy {
    AuditPolicy {
        least_steps: steps,
        unknown_share: 0,
        trusted_share: 0,
        trusted_from: 1000,
        full_one_in: 0,
        frames: 1,
        last_step_below: 0,
    }
}

pub(crate) struct Case {
    pub(crate) model: Box<dyn VideoModel>,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) workshop: Workshop,
}

impl Case {
    pub(crate) fn new(precision: Precision) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let options = LoadOptions { threads: Some(2), ..LoadOptions::default() };
        let workshop = Workshop::new(starter(), scratch.path(), options);
        Self { model: on(TensorDevice::Cpu, precision), scratch, workshop }
    }

    pub(crate) fn exchange(&self, seed: u64, parameters: &Parameters) -> Exchange {
        Exchange::new(seed, self.model.as_ref(), DIGEST, parameters).unwrap()
    }

    pub(crate) fn setting<'a>(&'a self, exchange: &'a Exchange) -> Setting<'a> {
        Setting::new(exchange, self.model.as_ref(), &self.workshop)
    }

    pub(crate) fn validator(&self) -> Remembered<ModelAuditor<'_>> {
        Remembered::new(ModelAuditor::new(self.model.as_ref(), DIGEST), MEMORY)
    }

    /// Bounds from an honest run of the exchange, audited by this model.
    pub(crate) fn tolerance(&self, exchange: &Exchange) -> PairTolerance {
        let mut honest = Calibration::default();
        let run = self.setting(exchange).honest_run().unwrap().clone();
        honest.measure(&run, &exchange.opening, &mut self.validator()).unwrap();
        bounds(self.model.precision(), self.model.precision(), &honest, &[]).unwrap()
    }
}

pub(crate) fn table(pair: PairTolerance) -> ToleranceTable {
    ToleranceTable { model: DIGEST, pairs: vec![pair] }
}

/// One audit, and whether the attack shows in what it drew.
pub(crate) struct Audited {
    pub(crate) audit: Audit,
    pub(crate) shows: bool,
}

pub(crate) fn audit_one(
    attack: Option<&Attack>,
    exchange: &Exchange,
    committed: &Committed,
    number: u64,
    table: &ToleranceTable,
    validator: &mut Remembered<ModelAuditor<'_>>,
) -> Audited {
    let bundle = exchange.bundle(committed, number).unwrap();
    let audit = audit(&bundle, table, validator).unwrap();
    let drawn: BTreeSet<u32> = exchange.draw(committed, number).unwrap().steps.into_iter().collect();
    let shows = attack.is_some_and(|attack| match attack.kind() {
        Kind::Structural | Kind::Delivery => true,
        Kind::Steering => false,
        Kind::Substitution => attack.tampered_steps(&exchange.job).iter().any(|step| drawn.contains(step)),
    });
    Audited { audit, shows }
}
