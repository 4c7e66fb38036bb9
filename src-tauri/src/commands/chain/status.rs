//! What there is.

use infernet_settlement::evm::ChainStatus;

use super::files;
use crate::cli::ChainFiles;
use crate::failure::Result;
use crate::output;

pub(super) fn account(arguments: &ChainFiles) -> Result {
    let address = files::key(arguments)?.address();
    if arguments.json {
        return output::json(&serde_json::json!({ "account": address }));
    }
    output::line(&address.to_string())
}

pub(super) async fn status(arguments: &ChainFiles) -> Result {
    let (driver, _) = files::driver(arguments)?;
    let status = driver.status().await.map_err(|error| super::failed(&error))?;
    if arguments.json { output::json(&status) } else { print(&status) }
}

fn print(status: &ChainStatus) -> Result {
    let rules = &status.rules;
    let lines = [
        ("chain", format!("{}, block {}", status.chain_id, status.head)),
        ("contract", status.contract.to_string()),
        ("token", rules.token.to_string()),
        ("account", status.account.to_string()),
        ("for gas", format!("{} wei", status.gas_balance_wei)),
        ("tokens", format!("{} micro-credits", status.balance_microcredits)),
        ("to claim", format!("{} micro-credits", status.claimable_microcredits)),
        (
            "stake",
            format!(
                "{} free, {} behind jobs, {} being taken out",
                status.stake.free, status.stake.locked, status.stake.cooling
            ),
        ),
        (
            "validators",
            format!(
                "{}, {} may judge, {} signatures needed",
                status.validators.members.len(),
                status.validators.judges.len(),
                status.validators.quorum
            ),
        ),
        (
            "windows",
            format!(
                "challenge {} s, longest job {} s, unstaking {} s",
                rules.challenge_secs, rules.most_job_secs, rules.cooldown_secs
            ),
        ),
    ];
    lines.iter().try_for_each(|(name, text)| output::line(&format!("{name:<11} {text}")))
}
