//! `infernet refund`.

use infernet_api::types::money::Refund;

use super::money::{confirm, credits};
use super::status::word;
use super::table;
use super::time::relative;
use crate::cli::RefundArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &RefundArgs) -> Result {
    let json = arguments.remote.json;
    connection::ask(&arguments.remote, async |client| {
        let Some(id) = arguments.job else {
            let list = client.refunds().await?;
            return if json { output::json(&list) } else { print(&list.refunds) };
        };
        let deposit = credits(client.job(id).await?.deposit_microcredits);
        if !confirm(&format!("Give job {id} up and ask for its deposit ({deposit}) back?"), arguments.yes)? {
            return Ok(());
        }
        let refund = client.refund(id).await?;
        if json { output::json(&refund) } else { print(&[refund]) }
    })
}

fn print(refunds: &[Refund]) -> Result {
    if refunds.is_empty() {
        return output::line("no refunds");
    }
    let row = |refund: &Refund| {
        let amount = credits(refund.amount_microcredits);
        [refund.job.to_string(), word(&refund.state), relative(refund.time_unix_ms), amount]
    };
    let rows: Vec<_> = refunds.iter().map(row).collect();
    table::lines(["job", "refund", "when", "amount"], &rows).iter().try_for_each(|line| output::line(line))
}
