//! `infernet cancel`.

use super::jobs::line;
use super::money::{confirm, credits};
use crate::cli::CancelArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &CancelArgs) -> Result {
    let (id, json) = (arguments.job, arguments.remote.json);
    connection::ask(&arguments.remote, async |client| {
        let deposit = credits(client.job(id).await?.deposit_microcredits);
        if !confirm(&format!("Give job {id} up? Its deposit ({deposit}) comes back."), arguments.yes)? {
            return Ok(());
        }
        let job = client.cancel(id).await?;
        if json { output::json(&job) } else { output::line(&line(&job)) }
    })
}
