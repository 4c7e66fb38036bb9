//! `infernet ledger`: looks at a ledger on this computer; nothing is changed.

use std::path::PathBuf;

use infernet_ledger::{AccountId, Journal};
use serde::Serialize;

use crate::cli::{LedgerCommand, LedgerFile};
use crate::failure::{Failure, Result};
use crate::files::check_new_file;
use crate::{output, paths};

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Failed(error.into())
}

fn open(file: &LedgerFile) -> Result<Journal> {
    let path: PathBuf = match &file.ledger {
        Some(path) => path.clone(),
        None => paths::data_dir()?.join("validator").join("ledger.sqlite"),
    };
    if !path.is_file() {
        return Err(Failure::input(format!(
            "there is no ledger at {}; name it with --ledger (validators keep one in their folder)",
            path.display()
        )));
    }
    Journal::open_read_only(&path).map_err(failed)
}

fn account(text: &str) -> Result<AccountId> {
    text.parse().map_err(|error| Failure::input(format!("{error}")))
}

#[derive(Serialize)]
struct Balance {
    account: String,
    balance_microcredits: u64,
    free_stake_microcredits: u64,
    locked_stake_microcredits: u128,
    unstaking_microcredits: u128,
    claimable_microcredits: u64,
    trust_ppm: u32,
    quality_ppm: Option<u32>,
    paid_jobs: u64,
    slashed_jobs: u64,
}

pub(super) fn run(command: &LedgerCommand) -> Result {
    match command {
        LedgerCommand::Balance { account: wanted, file } => {
            let journal = open(file)?;
            let wanted = wanted.as_deref().map(account).transpose()?;
            let rows: Vec<Balance> = journal
                .ledger()
                .accounts()
                .filter(|(id, _)| wanted.is_none_or(|wanted| wanted == **id))
                .map(|(id, account)| Balance {
                    account: id.to_string(),
                    balance_microcredits: account.balance,
                    free_stake_microcredits: account.stake.free,
                    locked_stake_microcredits: account.stake.locked(),
                    unstaking_microcredits: account.stake.unstaking_total(),
                    claimable_microcredits: account.claimable,
                    trust_ppm: account.standing.trust_ppm,
                    quality_ppm: account.standing.quality_ppm,
                    paid_jobs: account.standing.paid,
                    slashed_jobs: account.standing.slashed,
                })
                .collect();
            if rows.is_empty() && wanted.is_some() {
                return Err(Failure::input("this account is not in the ledger"));
            }
            if file.json {
                return output::json(&rows);
            }
            output::line(
                "account             balance   free stake       locked    claimable   trust   paid  slashed  (micro-credits)",
            )?;
            for row in rows {
                output::line(&format!(
                    "{}...  {:>12} {:>12} {:>12} {:>12} {:>6.1} % {:>5} {:>8}",
                    row.account.get(..12).unwrap_or_default(),
                    row.balance_microcredits,
                    row.free_stake_microcredits,
                    row.locked_stake_microcredits,
                    row.claimable_microcredits,
                    f64::from(row.trust_ppm) / 1e4,
                    row.paid_jobs,
                    row.slashed_jobs
                ))?;
            }
            Ok(())
        }
        LedgerCommand::History { account: wanted, limit, file } => {
            let journal = open(file)?;
            let (wanted, end) = (account(wanted)?, journal.head().0 + 1);
            let receipts = journal.history(&wanted, 0..end, 10_000).map_err(failed)?;
            let newest = receipts.len().saturating_sub(*limit as usize);
            for receipt in &receipts[newest..] {
                if file.json {
                    output::line(&receipt.to_json())?;
                } else {
                    let job = receipt.entry.job().map_or_else(String::new, |job| format!("  job {job}"));
                    output::line(&format!(
                        "{:>8}  {}  {}{job}",
                        receipt.sequence,
                        receipt.time_ms,
                        receipt.entry.kind()
                    ))?;
                }
            }
            Ok(())
        }
        LedgerCommand::Verify { file } => {
            let journal = open(file)?;
            let verified = journal.verify().map_err(failed)?;
            if file.json {
                return output::json(&serde_json::json!({
                    "entries": verified.entries, "head": verified.head.to_string(), "accounts": verified.accounts,
                    "jobs": verified.jobs, "sum_ok": verified.totals.conserved(),
                    "issued_microcredits": verified.totals.issued.to_string(),
                    "burned_microcredits": verified.totals.burned.to_string(),
                }));
            }
            output::line(&format!(
                "{} entries, {} accounts, {} jobs: every hash, signature, entry and sum holds; {} micro-credits issued, {} burned",
                verified.entries, verified.accounts, verified.jobs, verified.totals.issued, verified.totals.burned
            ))
        }
        LedgerCommand::Export { out, file } => {
            let journal = open(file)?;
            check_new_file(out, false)?;
            let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut part = tempfile::NamedTempFile::new_in(folder.unwrap_or(std::path::Path::new(".")))?;
            let entries = journal.export(&mut part).map_err(failed)?;
            part.as_file().sync_all()?;
            part.persist(out).map_err(|error| error.error)?;
            let validator = journal.ledger().id().validator;
            if file.json {
                return output::json(&serde_json::json!({ "entries": entries, "validator": validator.to_string() }));
            }
            output::line(&format!("{}: {entries} entries, signed by {validator}", out.display()))
        }
    }
}
