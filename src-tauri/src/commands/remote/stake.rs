//! `infernet stake`.

use infernet_api::types::money::{StakeAction, StakeInfo, StakeRequest};

use super::money::{confirm, credits};
use super::on_chain;
use super::status::word;
use super::time::{duration, relative};
use crate::cli::{NodeStakeArgs, StakeVerb};
use crate::connection;
use crate::failure::{Failure, Result};
use crate::output;

pub(super) fn run(arguments: &NodeStakeArgs) -> Result {
    let json = arguments.remote.json;
    let Some(action) = action(arguments.action) else {
        if arguments.amount.is_some() {
            return Err(Failure::input("say what to do with the amount: infernet stake add, unstake or withdraw"));
        }
        let stake = connection::ask(&arguments.remote, async |client| Ok(client.stake().await?))?;
        return if json { output::json(&stake) } else { print(&stake) };
    };
    let request =
        StakeRequest { request_id: Some(connection::request_id()?), action, amount_microcredits: arguments.amount };
    request.check().map_err(|_| Failure::input("say how much, in micro-credits"))?;
    connection::ask(&arguments.remote, async |client| {
        let amount = arguments.amount.map_or_else(|| "everything that is free".to_owned(), credits);
        let question = match action {
            StakeAction::Stake => {
                format!("Stake {amount}? What is staked is slashed when a job is found tampered with.")
            }
            StakeAction::Unstake => {
                let cool_down = duration(client.stake().await?.cool_down_secs);
                format!("Unstake {amount}? It can be withdrawn after {cool_down}.")
            }
            StakeAction::Withdraw => format!("Withdraw {amount} to the balance?"),
        };
        if !confirm(&question, arguments.yes)? {
            return Ok(());
        }
        let mut changed = client.change_stake(&request).await?;
        if let Some(transaction) = changed.transaction.take() {
            changed.transaction = Some(on_chain::confirmed(&client, transaction, json).await?);
            changed.stake = client.stake().await?;
        }
        if json { output::json(&changed) } else { print(&changed.stake) }
    })
}

fn action(verb: StakeVerb) -> Option<StakeAction> {
    match verb {
        StakeVerb::Show => None,
        StakeVerb::Add => Some(StakeAction::Stake),
        StakeVerb::Unstake => Some(StakeAction::Unstake),
        StakeVerb::Withdraw => Some(StakeAction::Withdraw),
    }
}

fn print(stake: &StakeInfo) -> Result {
    output::line(&format!("balance    {}", credits(stake.balance_microcredits)))?;
    output::line(&format!("free       {}", credits(stake.free_microcredits)))?;
    output::line(&format!("locked     {} for {} jobs", credits(stake.locked_microcredits), stake.locks.len()))?;
    for unstaking in &stake.unstaking {
        let when = relative(unstaking.free_at_unix_ms);
        output::line(&format!("unstaking  {}, free {when}", credits(unstaking.amount_microcredits)))?;
    }
    for transaction in &stake.transactions {
        let state = word(&transaction.state);
        output::line(&format!(
            "under way  {} ({state}, {} of {} confirmations)",
            transaction.name, transaction.confirmations, transaction.confirmations_needed
        ))?;
    }
    if let Some(usual) = stake.usual_lock_microcredits {
        output::line(&format!("a job      locks about {}", credits(usual)))?;
    }
    output::line(&format!("cool-down  {}", duration(stake.cool_down_secs)))
}
