//! `infernet claim`: rewards to the balance. It is the owner's own money either way, so nothing is asked.

use infernet_api::types::money::ClaimRequest;

use super::money::credits;
use super::on_chain;
use crate::cli::ClaimArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &ClaimArgs) -> Result {
    let request = ClaimRequest { request_id: Some(connection::request_id()?), amount_microcredits: arguments.amount };
    let json = arguments.remote.json;
    let claimed = connection::ask(&arguments.remote, async |client| {
        let mut claimed = client.claim(&request).await?;
        if let Some(transaction) = claimed.transaction.take() {
            claimed.transaction = Some(on_chain::confirmed(&client, transaction, json).await?);
            claimed.balance_microcredits = client.stake().await?.balance_microcredits;
        }
        Ok(claimed)
    })?;
    if json {
        return output::json(&claimed);
    }
    let (moved, balance) = (credits(claimed.claimed_microcredits), credits(claimed.balance_microcredits));
    output::line(&format!("claimed {moved}; the balance is {balance}"))
}
