//! What a clip costs.

use serde::{Deserialize, Serialize};

use super::table::{Figures, Gpu, PriceTable};
use crate::check;
use crate::error::{EconomicsError, Result};
use crate::parameters::NetworkParameters;

const SECS_PER_HOUR: f64 = 3600.0;
const JOULES_PER_KWH: f64 = 3.6e6;

/// What to compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostRequest {
    /// Steps of a clip; the table's when none.
    pub steps: Option<u32>,
    /// Name of an entry of the table; the first when none.
    pub electricity: Option<String>,
    /// The network's parameters.
    pub network: NetworkParameters,
    /// Trust of the miner, which decides how much is checked.
    pub trust: f64,
    /// Cost of a settlement in US dollars. 0 with the ledger of a private swarm; 0.0872 with the published study's chain.
    pub settlement_usd: f64,
    /// Wear of a home GPU in US dollars an hour; people buy them to play, so none unless you say so.
    pub wear_usd_per_hour: f64,
    /// Share of a rented hour that is used; 1 favours the cloud.
    pub cloud_utilisation: f64,
}

impl Default for CostRequest {
    fn default() -> Self {
        Self {
            steps: None,
            electricity: None,
            network: NetworkParameters::default(),
            trust: 1.0,
            settlement_usd: 0.0,
            wear_usd_per_hour: 0.0,
            cloud_utilisation: 1.0,
        }
    }
}

/// One way to get a clip. Money in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipCost {
    /// Which GPU or offer.
    pub name: String,
    /// Rented rather than on the network.
    pub cloud: bool,
    /// Seconds on the GPU.
    pub seconds: f64,
    /// Electricity and wear, or rent.
    pub compute: f64,
    /// The miner's margin.
    pub miner_margin: f64,
    /// The validators' checks.
    pub checks: f64,
    /// What validators get beyond their checks.
    pub validator_margin: f64,
    /// Settlement.
    pub settlement: f64,
    /// What the user pays.
    pub total: f64,
    /// How the figures came about: the weaker of step time and price.
    pub figures: Figures,
    /// Where the price is from.
    pub source: String,
    /// When.
    pub date: String,
}

impl ClipCost {
    /// Its parts, in the order of [`Self::PARTS`].
    pub fn parts(&self) -> [f64; 5] {
        [self.compute, self.miner_margin, self.checks, self.validator_margin, self.settlement]
    }

    /// Names of the parts.
    pub const PARTS: [&'static str; 5] =
        ["electricity or rent", "miner's margin", "validators' checks", "validators' margin", "settlement"];
}

/// All ways beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostComparison {
    /// The model of the step times.
    pub model: String,
    /// Steps of the clip.
    pub steps: u32,
    /// Price of electricity that was used.
    pub usd_per_kwh: f64,
    /// On the network, by rising cost.
    pub network: Vec<ClipCost>,
    /// In the cloud, by rising cost.
    pub cloud: Vec<ClipCost>,
    /// Cheapest cloud over cheapest network: how many times cheaper the network is.
    pub cheapest_ratio: f64,
    /// Price of electricity at which the cheapest home GPU would cost as much as the cheapest cloud; none when settlement and
    /// wear alone cost more.
    pub break_even_usd_per_kwh: Option<f64>,
}

/// Costs of a clip on every home GPU and in every cloud of the table.
///
/// # Errors
/// When a parameter is out of range, or the table has no such electricity or no home GPU.
pub fn compare(table: &PriceTable, request: &CostRequest) -> Result<CostComparison> {
    let steps = request.steps.unwrap_or(table.steps);
    check::steps(steps)?;
    let usd_per_kwh = price_of_electricity(table, request)?;
    check_request(request)?;
    let mut network: Vec<ClipCost> =
        table.home_gpus().map(|gpu| on_network(gpu, steps, usd_per_kwh, request)).collect();
    let mut cloud: Vec<ClipCost> = table
        .cloud
        .iter()
        .filter_map(|offer| {
            let gpu = table.gpu_named(&offer.gpu)?;
            let seconds = gpu.step_seconds * f64::from(steps);
            let rent = offer.usd_per_hour * seconds / SECS_PER_HOUR / request.cloud_utilisation;
            Some(ClipCost {
                name: offer.name.clone(),
                cloud: true,
                seconds,
                compute: rent,
                miner_margin: 0.0,
                checks: 0.0,
                validator_margin: 0.0,
                settlement: 0.0,
                total: rent,
                figures: weaker(gpu.figures, offer.figures),
                source: offer.source.clone(),
                date: offer.date.clone(),
            })
        })
        .collect();
    for costs in [&mut network, &mut cloud] {
        costs.sort_by(|a, b| a.total.total_cmp(&b.total));
    }
    let (Some(cheapest), Some(cheapest_cloud)) = (network.first(), cloud.first()) else {
        return Err(EconomicsError::PriceTable {
            reason: "it needs a gpu with `home = true` and a cloud offer".to_owned(),
        });
    };
    let break_even_usd_per_kwh = break_even(table, request, steps, cheapest_cloud.total);
    let cheapest_ratio = cheapest_cloud.total / cheapest.total;
    Ok(CostComparison {
        model: table.model.clone(),
        steps,
        usd_per_kwh,
        cheapest_ratio,
        break_even_usd_per_kwh,
        network,
        cloud,
    })
}

/// Cost of a clip on one home GPU and in the cheapest cloud for every number of steps from 1 to `most`: a staircase, since
/// whole steps are checked.
///
/// # Errors
/// As [`compare`], and when the table has no home GPU of this name.
pub fn cost_by_steps(table: &PriceTable, request: &CostRequest, gpu: &str, most: u32) -> Result<Vec<(u32, f64, f64)>> {
    check::count("most", most.into(), 1, check::MAX_STEPS.into())?;
    check_request(request)?;
    let usd_per_kwh = price_of_electricity(table, request)?;
    let Some(gpu) = table.home_gpus().find(|entry| entry.name == gpu) else {
        return Err(EconomicsError::parameter("gpu", gpu, "a home GPU of the price table"));
    };
    let cloud_step = table
        .cloud
        .iter()
        .filter_map(|offer| Some(table.gpu_named(&offer.gpu)?.step_seconds * offer.usd_per_hour))
        .fold(f64::INFINITY, f64::min)
        / SECS_PER_HOUR
        / request.cloud_utilisation;
    let row = |steps: u32| {
        let cost = on_network(gpu, steps, usd_per_kwh, request);
        (steps, cost.total - cost.validator_margin, cloud_step * f64::from(steps))
    };
    Ok((1..=most).map(row).collect())
}

fn check_request(request: &CostRequest) -> Result<()> {
    request.network.check()?;
    check::share("trust", request.trust)?;
    check::amount("settlement_usd", request.settlement_usd)?;
    check::amount("wear_usd_per_hour", request.wear_usd_per_hour)?;
    check::positive_share("cloud_utilisation", request.cloud_utilisation)?;
    Ok(())
}

fn price_of_electricity(table: &PriceTable, request: &CostRequest) -> Result<f64> {
    let entry = match &request.electricity {
        None => table.electricity.first(),
        Some(name) => table.electricity.iter().find(|entry| entry.name == *name),
    };
    entry.map(|entry| entry.usd_per_kwh).ok_or_else(|| {
        let known: Vec<_> = table.electricity.iter().map(|entry| entry.name.as_str()).collect();
        EconomicsError::parameter(
            "electricity",
            request.electricity.as_deref().unwrap_or("none"),
            format!("one of the price table: {}", known.join(", ")),
        )
    })
}

fn on_network(gpu: &Gpu, steps: u32, usd_per_kwh: f64, request: &CostRequest) -> ClipCost {
    let seconds = gpu.step_seconds * f64::from(steps);
    let compute =
        gpu.watts * seconds / JOULES_PER_KWH * usd_per_kwh + request.wear_usd_per_hour * seconds / SECS_PER_HOUR;
    let network = &request.network;
    let fee = compute * (1.0 + network.fee_margin);
    let deposit = fee / network.deposit_split;
    let checks = compute * network.audit.level(request.trust, steps).reexecution_share(steps);
    ClipCost {
        name: gpu.name.clone(),
        cloud: false,
        seconds,
        compute,
        miner_margin: fee - compute,
        checks,
        validator_margin: deposit - fee - checks,
        settlement: request.settlement_usd,
        total: deposit + request.settlement_usd,
        figures: gpu.figures,
        source: gpu.source.clone(),
        date: gpu.date.clone(),
    }
}

/// The cost is a line in the price of electricity; where it meets the cloud's.
fn break_even(table: &PriceTable, request: &CostRequest, steps: u32, cloud: f64) -> Option<f64> {
    let at = |gpu: &Gpu, price: f64| on_network(gpu, steps, price, request).total;
    let prices = table.home_gpus().map(|gpu| (cloud - at(gpu, 0.0)) / (at(gpu, 1.0) - at(gpu, 0.0)));
    prices
        .filter(|price| *price > 0.0)
        .fold(None, |best: Option<f64>, price| Some(best.map_or(price, |best| best.max(price))))
}

fn weaker(a: Figures, b: Figures) -> Figures {
    let rank = |figures| match figures {
        Figures::Measured => 0,
        Figures::Published => 1,
        Figures::Derived => 2,
        Figures::Estimate => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let table = PriceTable::shipped().unwrap();
        let comparison = compare(&table, &CostRequest::default()).unwrap();
        let card = comparison.network.iter().find(|cost| cost.name == "RTX 4090").unwrap();
        // 450 W x 186 s = 83.7 kJ = 0.02325 kWh at 0.30 USD.
        assert!((card.compute - 0.006_975).abs() < 1e-9);
        assert!((card.total - 0.006_975 * 1.25 / 0.75).abs() < 1e-9);
        assert!((card.parts().iter().sum::<f64>() - card.total).abs() < 1e-12);
        let study = comparison.cloud.iter().find(|cost| cost.name.contains("study")).unwrap();
        assert!((study.total - 99.0 * 2.95 / 3600.0).abs() < 1e-9);
        assert_eq!(study.figures, Figures::Derived);
        let price = comparison.break_even_usd_per_kwh.unwrap();
        assert!(comparison.cheapest_ratio > 1.0 && price > comparison.usd_per_kwh);
    }

    #[test]
    fn at_the_break_even_price_both_cost_the_same() {
        let mut table = PriceTable::shipped().unwrap();
        let request = CostRequest { settlement_usd: 0.001, ..CostRequest::default() };
        table.electricity[0].usd_per_kwh = compare(&table, &request).unwrap().break_even_usd_per_kwh.unwrap();
        assert!((compare(&table, &request).unwrap().cheapest_ratio - 1.0).abs() < 1e-9);
        let dear = CostRequest { settlement_usd: 100.0, ..request };
        assert!(compare(&table, &dear).unwrap().break_even_usd_per_kwh.is_none());
    }

    #[test]
    fn the_staircase_steps_where_one_more_step_is_checked() {
        let table = PriceTable::shipped().unwrap();
        let rows = cost_by_steps(&table, &CostRequest::default(), "RTX 3090", 60).unwrap();
        let rise = |steps: usize| rows[steps].1 - rows[steps - 1].1;
        // 25 steps have one check, 26 have two.
        assert!(rise(25) > 1.5 * rise(24), "{} {}", rise(25), rise(24));
        assert!(rows.windows(2).all(|pair| pair[1].1 > pair[0].1 && pair[1].2 > pair[0].2));
    }

    #[test]
    fn bad_requests_are_named() {
        let table = PriceTable::shipped().unwrap();
        for (request, name) in [
            (CostRequest { steps: Some(0), ..Default::default() }, "steps"),
            (CostRequest { trust: 2.0, ..Default::default() }, "trust"),
            (CostRequest { settlement_usd: f64::NAN, ..Default::default() }, "settlement_usd"),
            (CostRequest { cloud_utilisation: 0.0, ..Default::default() }, "cloud_utilisation"),
            (CostRequest { electricity: Some("Mars".to_owned()), ..Default::default() }, "electricity is Mars"),
        ] {
            assert!(compare(&table, &request).unwrap_err().to_string().starts_with(name));
        }
        assert!(cost_by_steps(&table, &CostRequest::default(), "T4", 10).is_err());
    }
}
