//! What is sent: kept on the disk first, then brought to the chain for as long as one wants to wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use infernet_settlement::SettlementError;
use infernet_settlement::evm::{ChainStatus, EvmAccount, Intent, U256};

use super::{failed, files};
use crate::cli::{ChainCommand, SendArgs};
use crate::failure::{Failure, Result};
use crate::output;

/// Transactions that `outbox` shows.
const SHOWN: u32 = 50;

fn arguments(command: &ChainCommand) -> Option<&SendArgs> {
    Some(match command {
        ChainCommand::Stake(one) | ChainCommand::Unstake(one) | ChainCommand::Bond(one) => &one.send,
        ChainCommand::Withdraw(send)
        | ChainCommand::Claim(send)
        | ChainCommand::Resign(send)
        | ChainCommand::WithdrawBond(send)
        | ChainCommand::Burn(send)
        | ChainCommand::Outbox(send) => send,
        ChainCommand::Refund(one) => &one.send,
        ChainCommand::Release(one) => &one.send,
        ChainCommand::Contest(one) => &one.send,
        ChainCommand::Account(_) | ChainCommand::Status(_) | ChainCommand::Deploy(_) | ChainCommand::Use(_) => {
            return None;
        }
    })
}

pub(super) async fn run(command: &ChainCommand) -> Result {
    let Some(send) = arguments(command) else { return Ok(()) };
    let (driver, key) = files::driver(&send.files)?;
    let patience = Duration::from_secs(send.wait);
    if matches!(command, ChainCommand::Outbox(_)) {
        let waiting = driver.store().intents(SHOWN).map_err(|error| failed(&error))?;
        if let Some(last) = waiting.iter().find(|intent| !intent.state.over()) {
            // Later ones are only sent after earlier ones: with the last of them all are over.
            driver.complete(&last.name, patience).await.map_err(|error| failed(&error))?;
        }
        let all = driver.store().intents(SHOWN).map_err(|error| failed(&error))?;
        if send.files.json {
            return output::json(&all);
        }
        return all.iter().try_for_each(print);
    }
    let status = driver.status().await.map_err(|error| failed(&error))?;
    let account = EvmAccount::new(driver.store().clone(), driver.domain(), key, status.rules);
    let reference = match &send.reference {
        Some(reference) => reference.clone(),
        None => {
            // With a reference it may be on its way already, and the chain decides.
            check(command, &status)?;
            random()?
        }
    };
    let name = queue(command, &account, &reference).map_err(|error| failed(&error))?;
    let intent = driver.complete(&name, patience).await.map_err(|error| failed(&error))?;
    if send.files.json { output::json(&intent) } else { print(&intent) }
}

/// What the chain would refuse, said before anything is sent.
fn check(command: &ChainCommand, status: &ChainStatus) -> Result {
    let (stake, account) = (&status.stake, status.account);
    let tokens = |amount: u64| {
        if status.balance_microcredits >= U256::from(amount) {
            return Ok(());
        }
        let found = status.balance_microcredits;
        Err(Failure::input(format!(
            "{account} has {found} micro-credits in tokens, {amount} are asked for\n  send it tokens, or ask for less"
        )))
    };
    if status.gas_balance_wei.is_zero() {
        return Err(Failure::input(format!(
            "{account} has nothing to pay gas with\n  send it some of the chain's coin"
        )));
    }
    match command {
        ChainCommand::Stake(one) | ChainCommand::Bond(one) => tokens(one.microcredits),
        ChainCommand::Contest(_) => tokens(status.rules.contest_bond),
        ChainCommand::Unstake(one) if one.microcredits > stake.free => Err(Failure::input(format!(
            "{account} has {} micro-credits of free stake, {} are asked for\n  ask for less, or wait until jobs' windows are over",
            stake.free, one.microcredits
        ))),
        ChainCommand::Withdraw(_) if stake.cooling == 0 => {
            Err(Failure::input(format!("{account} is taking no stake out\n  begin with `infernet chain unstake`")))
        }
        ChainCommand::Withdraw(_) if now_ms() / 1000 < stake.due_at => Err(Failure::input(format!(
            "{} micro-credits of stake can be taken out in {} s\n  wait until then",
            stake.cooling,
            stake.due_at.saturating_sub(now_ms() / 1000)
        ))),
        ChainCommand::Claim(_) if status.claimable_microcredits.is_zero() => {
            Err(Failure::input(format!("the contract owes {account} nothing")))
        }
        _ => Ok(()),
    }
}

fn queue(
    command: &ChainCommand,
    account: &EvmAccount,
    reference: &str,
) -> std::result::Result<String, SettlementError> {
    let now = now_ms();
    match command {
        ChainCommand::Stake(one) => account.stake(one.microcredits, reference, now),
        ChainCommand::Unstake(one) => account.request_unstake(one.microcredits, reference, now),
        ChainCommand::Bond(one) => account.bond(one.microcredits, reference, now),
        ChainCommand::Withdraw(_) => account.withdraw_stake(reference, now),
        ChainCommand::Claim(_) => account.claim(reference, now),
        ChainCommand::Resign(_) => account.resign(reference, now),
        ChainCommand::WithdrawBond(_) => account.withdraw_bond(reference, now),
        ChainCommand::Refund(one) => account.refund(one.job, now),
        ChainCommand::Release(one) => account.release(one.job, one.miner.unwrap_or(account.address()), now),
        ChainCommand::Contest(one) => account.contest(one.job, one.miner, one.bundle, &one.locator, now),
        // All that is left: the others were dealt with before.
        _ => account.burn(reference, now),
    }
}

fn print(intent: &Intent) -> Result {
    let state = serde_json::to_value(intent.state).map_err(anyhow::Error::from)?;
    let state = state.as_str().unwrap_or_default();
    let hash = intent.hash.map_or_else(String::new, |hash| format!("  {hash}"));
    let note = if intent.note.is_empty() { String::new() } else { format!("  ({})", intent.note) };
    output::line(&format!("{state:<9} {}{hash}{note}", intent.name))
}

fn random() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Failed(anyhow::Error::msg(error.to_string())))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
