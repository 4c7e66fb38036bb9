//! One miner and one of its jobs.

use serde::{Deserialize, Serialize};

use super::PopulationParameters;
use crate::detection::AuditLevel;
use crate::error::Result;
use crate::random::Pcg64;
use crate::stake::{JobTerms, required_stake};

/// How a miner behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinerKind {
    /// Does the work.
    Honest,
    /// Tampers with some steps of every job.
    Lazy,
    /// Does the work, but drops out of jobs.
    Flaky,
    /// Tampers with many steps and has friends among the validators.
    Colluding,
}

impl MinerKind {
    /// All kinds, in the order of summaries.
    pub const ALL: [MinerKind; 4] = [MinerKind::Honest, MinerKind::Lazy, MinerKind::Flaky, MinerKind::Colluding];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            MinerKind::Honest => "honest",
            MinerKind::Lazy => "lazy",
            MinerKind::Flaky => "flaky",
            MinerKind::Colluding => "colluding",
        }
    }
}

/// What a job means at one number of checks.
#[derive(Debug, Clone, Copy)]
struct JobAt {
    stake: f64,
    /// Chance that an honest job is found at fault.
    mistaken: f64,
    /// Chance to catch each kind that tampers, lazy and colluding, by a validator that is nobody's friend.
    caught: [f64; 2],
}

/// Everything that is the same for all miners, worked out once.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) parameters: &'a PopulationParameters,
    pub(super) fee: f64,
    pub(super) trusted_stake: f64,
    /// By the number of checks.
    by_checks: Vec<JobAt>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(parameters: &'a PopulationParameters) -> Result<Self> {
        let network = &parameters.network;
        let steps = parameters.job.steps;
        let tampered = [MinerKind::Lazy, MinerKind::Colluding].map(|kind| parameters.tampered(kind));
        let mut terms = JobTerms::of_network(network, &parameters.job, 1.0);
        let trusted_stake = required_stake(&terms)?.stake;
        let (least, most) = (network.audit.checks(1.0, steps), network.audit.checks(0.0, steps));
        let mut by_checks = Vec::new();
        for checks in 0..=most {
            terms.audit.checks = checks;
            // Fewer checks than a trusted miner's never happen, and may have no stake that suffices.
            let stake = if checks < least { f64::INFINITY } else { required_stake(&terms)?.stake };
            let checked = terms.audit.reexecution_share(steps) * f64::from(steps);
            let mistaken = 1.0 - (1.0 - parameters.behaviour.false_positive_per_check).powf(checked);
            let caught = tampered.map(|tampered| terms.audit.detection(steps, tampered));
            by_checks.push(JobAt { stake, mistaken, caught });
        }
        Ok(Self { parameters, fee: parameters.job.fee(network), trusted_stake, by_checks })
    }

    fn at(&self, trust: f64) -> &JobAt {
        let checks = self.parameters.network.audit.checks(trust, self.parameters.job.steps);
        // `checks` never exceeds that of trust 0, the last entry.
        &self.by_checks[(checks as usize).min(self.by_checks.len() - 1)]
    }

    /// What a second audit catches, with the checks of an unknown miner.
    fn second_opinion(&self, kind: MinerKind) -> f64 {
        let network = &self.parameters.network;
        let steps = self.parameters.job.steps;
        let level = AuditLevel::always(network.audit.checks(0.0, steps));
        self.parameters.behaviour.second_opinion_chance * level.detection(steps, self.parameters.tampered(kind))
    }
}

/// What happened in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Delivered as asked.
    Good,
    /// Tampered with and paid.
    BadPassed,
    /// Found tampered with, rightly or not.
    Caught,
    /// The miner dropped out.
    Dropped,
}

/// A miner.
#[derive(Debug, Clone)]
pub(super) struct Miner {
    pub(super) kind: MinerKind,
    pub(super) trust: f64,
    pub(super) balance: f64,
    pub(super) jobs: u64,
    pub(super) caught: u64,
    pub(super) bad_passed: u64,
    pub(super) dropped: u64,
    pub(super) work_cost: f64,
    pub(super) initial_balance: f64,
    random: Pcg64,
}

impl Miner {
    pub(super) fn new(kind: MinerKind, index: usize, rules: &Rules) -> Self {
        let balance = rules.parameters.initial_stakes * rules.trusted_stake;
        Self {
            kind,
            trust: 0.0,
            balance,
            jobs: 0,
            caught: 0,
            bad_passed: 0,
            dropped: 0,
            work_cost: 0.0,
            initial_balance: balance,
            random: Pcg64::from_numbers(&[rules.parameters.seed, 0x706f_7075, index as u64]),
        }
    }

    /// What it earned: change of the balance less what the work cost.
    pub(super) fn net(&self) -> f64 {
        self.balance - self.initial_balance - self.work_cost
    }

    /// Whether it can lock the stake for a job.
    pub(super) fn can_work(&self, rules: &Rules) -> bool {
        self.balance >= rules.at(self.trust).stake
    }

    /// Its weight when jobs are handed out; 0 when it can't work.
    pub(super) fn weight(&self, rules: &Rules) -> f64 {
        let newcomer = rules.parameters.newcomer_weight;
        if self.can_work(rules) { newcomer + (1.0 - newcomer) * self.trust } else { 0.0 }
    }

    /// An epoch: maybe a job, with this chance for a weight of 1.
    pub(super) fn epoch(&mut self, rules: &Rules, chance_per_weight: f64) -> Option<Event> {
        let chance = self.weight(rules) * chance_per_weight;
        if chance <= 0.0 || !self.random.happens(chance) {
            return None;
        }
        self.jobs += 1;
        let event = self.job(rules);
        self.settle(rules, event);
        Some(event)
    }

    fn job(&mut self, rules: &Rules) -> Event {
        let parameters = rules.parameters;
        let behaviour = &parameters.behaviour;
        let at = *rules.at(self.trust);
        let steps = f64::from(parameters.job.steps);
        let worked = 1.0 - f64::from(parameters.tampered(self.kind)) / steps;
        let whole = parameters.job.cost * worked + parameters.job.settlement;
        if self.kind == MinerKind::Flaky && self.random.happens(behaviour.flaky_drop_chance) {
            self.work_cost += whole * behaviour.flaky_spent_share;
            return Event::Dropped;
        }
        self.work_cost += whole;
        let caught = match self.kind {
            MinerKind::Honest | MinerKind::Flaky => at.mistaken,
            MinerKind::Lazy => at.caught[0],
            // A friend finds nothing, and only a second opinion does.
            MinerKind::Colluding if self.random.happens(behaviour.friendly_validators) => {
                rules.second_opinion(MinerKind::Colluding)
            }
            MinerKind::Colluding => at.caught[1],
        };
        if self.random.happens(caught) {
            return Event::Caught;
        }
        if worked < 1.0 { Event::BadPassed } else { Event::Good }
    }

    fn settle(&mut self, rules: &Rules, event: Event) {
        let network = &rules.parameters.network;
        match event {
            Event::Good | Event::BadPassed => {
                self.bad_passed += u64::from(event == Event::BadPassed);
                self.balance += rules.fee;
                self.trust += network.honest_drift * (1.0 - self.trust);
            }
            Event::Caught => {
                self.caught += 1;
                self.balance -= network.slash * rules.at(self.trust).stake;
                self.trust *= 1.0 - network.trust_decay;
            }
            Event::Dropped => {
                self.dropped += 1;
                self.trust *= 1.0 - rules.parameters.behaviour.drop_trust_loss;
            }
        }
    }
}
