//! `infernet economics cost`.

use infernet_economics::cost::{ClipCost, CostRequest, PriceTable, SHIPPED_TABLE, compare, cost_by_steps};
use infernet_economics::figure;
use infernet_economics::report::Table;
use serde_json::json;

use super::report;
use crate::cli::CostArgs;
use crate::failure::{Failure, Result};
use crate::output;

pub(super) fn run(arguments: &CostArgs) -> Result {
    if arguments.print_table {
        return output::line(SHIPPED_TABLE.trim_end());
    }
    report::check(&arguments.report)?;
    let table = match &arguments.table {
        None => PriceTable::shipped()?,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::input(format!("can't read {}: {error}", path.display())))?;
            PriceTable::parse(&text).map_err(|error| {
                Failure::input(format!("{}: {error}\n  {} ({})", path.display(), error.next_step(), error.code()))
            })?
        }
    };
    let request = CostRequest {
        steps: arguments.steps,
        electricity: arguments.electricity.clone(),
        trust: arguments.trust,
        settlement_usd: arguments.settlement_usd,
        wear_usd_per_hour: arguments.wear_usd_per_hour,
        cloud_utilisation: arguments.cloud_utilisation,
        ..CostRequest::default()
    };
    match &arguments.by_steps {
        Some(gpu) => by_steps(arguments, &table, &request, gpu),
        None => comparison(arguments, &table, &request),
    }
}

fn comparison(arguments: &CostArgs, prices: &PriceTable, request: &CostRequest) -> Result {
    let comparison = compare(prices, request)?;
    let mut table = Table::new(&[
        ("where", ""),
        ("name", ""),
        ("time", "s"),
        ("electricity_or_rent", "cents"),
        ("miner_margin", "cents"),
        ("checks", "cents"),
        ("validator_margin", "cents"),
        ("settlement", "cents"),
        ("total", "cents"),
        ("figures", ""),
        ("date", ""),
    ]);
    for cost in comparison.network.iter().chain(&comparison.cloud) {
        table.push(row(cost));
    }
    let break_even = comparison.break_even_usd_per_kwh.map_or_else(
        || "the cloud is cheaper at any price of electricity".to_owned(),
        |price| format!("both cost the same at {price:.2} USD/kWh"),
    );
    let notes = [
        format!(
            "{} steps of {}; electricity at {} USD/kWh",
            comparison.steps, comparison.model, comparison.usd_per_kwh
        ),
        format!("cheapest here against cheapest cloud: {:.1} x; {break_even}", comparison.cheapest_ratio),
        "most figures are estimates, labelled with their date; use --print-table and --table FILE for your own"
            .to_owned(),
    ];
    report::emit(&arguments.report, &comparison, &notes, &table, || Ok(figure::cost_bars(&comparison)))
}

fn row(cost: &ClipCost) -> Vec<infernet_economics::report::Cell> {
    let place = if cost.cloud { "cloud" } else { "network" };
    let mut row = vec![place.into(), cost.name.as_str().into(), cost.seconds.into()];
    row.extend(cost.parts().map(|part| (100.0 * part).into()));
    row.extend([(100.0 * cost.total).into(), cost.figures.name().into(), cost.date.as_str().into()]);
    row
}

fn by_steps(arguments: &CostArgs, prices: &PriceTable, request: &CostRequest, gpu: &str) -> Result {
    let rows = cost_by_steps(prices, request, gpu, arguments.most_steps)?;
    let mut table = Table::new(&[("steps", ""), ("network", "cents"), ("cheapest_cloud", "cents")]);
    for &(steps, network, cloud) in &rows {
        table.push(vec![steps.into(), (100.0 * network).into(), (100.0 * cloud).into()]);
    }
    let notes = [format!("{gpu} with fee and checks, without the validators' margin")];
    let points: Vec<_> = rows
        .iter()
        .map(|&(steps, network, cloud)| json!({ "steps": steps, "network_usd": network, "cheapest_cloud_usd": cloud }))
        .collect();
    report::emit(&arguments.report, &json!({ "gpu": gpu, "points": points }), &notes, &table, || {
        Ok(figure::cost_steps(&rows, gpu))
    })
}
