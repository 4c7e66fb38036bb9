//! What takes its time where a contract on a chain settles: transactions and deposits, followed until they count.

use std::time::Duration;

use infernet_api::JobId;
use infernet_api::client::Client;
use infernet_api::types::job::{Job, JobStage, Quote};
use infernet_api::types::money::{ChainTransaction, ChainTransactionState, EarningsQuery};

use super::money::credits;
use super::status::word;
use crate::failure::{Failure, Result};
use crate::progress;

/// How often a transaction is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// The code of an order whose deposit does not count yet.
const NOT_POSTED: &str = "not_posted";

/// Waits until a transaction counts, or Ctrl-C.
pub(super) async fn confirmed(client: &Client, transaction: ChainTransaction, json: bool) -> Result<ChainTransaction> {
    let bar = progress::steps(transaction.confirmations_needed, json);
    let result = tokio::select! {
        result = over(client, transaction.clone(), &bar) => result,
        stopped = tokio::signal::ctrl_c() => {
            stopped?;
            bar.finish_and_clear();
            eprintln!("`{}` goes on without you; look at it with: infernet chain outbox", transaction.name);
            return Err(Failure::Interrupted);
        }
    };
    bar.finish_and_clear();
    let last = result?;
    if last.state == ChainTransactionState::Failed {
        return Err(Failure::Failed(anyhow::anyhow!("the chain did not take `{}`: {}", last.name, last.note)));
    }
    Ok(last)
}

async fn over(client: &Client, first: ChainTransaction, bar: &indicatif::ProgressBar) -> Result<ChainTransaction> {
    let mut last = first;
    while !last.state.is_over() {
        bar.set_prefix(word(&last.state));
        bar.set_position(last.confirmations);
        bar.set_message(match last.block {
            Some(block) => format!("confirmations; block {block}"),
            None => "confirmations; in no block yet".to_owned(),
        });
        tokio::time::sleep(LOOK).await;
        match client.earnings(&EarningsQuery::default()).await {
            Ok(earnings) => {
                let found = earnings.transactions.into_iter().find(|one| one.name == last.name);
                last = found.unwrap_or(last);
            }
            Err(error) if error.is_transient() => bar.set_message(format!("{error}; trying again")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(last)
}

/// What an order costs on a chain, for people; none where the ledger settles.
pub(super) fn cost(quote: &Quote, deposit: u64) -> Option<String> {
    let chain = quote.chain.as_ref()?;
    Some(format!(
        "deposits {} in contract {} on chain {} from account {}; gas about {:.6} ether (it has {:.6}); counts after {} confirmations",
        credits(deposit),
        chain.contract,
        chain.chain_id,
        chain.account,
        chain.fee_ether,
        chain.ether,
        chain.confirmations
    ))
}

/// Whether an order waits for its deposit, and for what.
pub(super) fn waits(job: &Job) -> Option<&str> {
    let problem = job.problem.as_ref().filter(|problem| problem.code == NOT_POSTED && !job.stage.is_final())?;
    Some(&problem.message)
}

/// Waits until an order's deposit counts and the validator has it.
pub(super) async fn deposited(client: &Client, id: JobId, json: bool) -> Result<Job> {
    let bar = progress::steps(1, json);
    loop {
        let job = tokio::select! {
            job = client.job(id) => job?,
            stopped = tokio::signal::ctrl_c() => {
                stopped?;
                bar.finish_and_clear();
                eprintln!("the order goes on without you; watch it with: infernet watch {id}");
                return Err(Failure::Interrupted);
            }
        };
        match waits(&job) {
            Some(what) => bar.set_message(what.to_owned()),
            None => {
                bar.finish_and_clear();
                let refused = job.problem.as_ref().filter(|_| job.stage == JobStage::Refunded);
                return match refused {
                    Some(problem) => {
                        Err(Failure::Failed(anyhow::anyhow!("{}\n  {}", problem.message, problem.next_step)))
                    }
                    None => Ok(job),
                };
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
