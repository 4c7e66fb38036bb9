//! `infernet pause`.

use infernet_api::types::status::PauseRequest;

use super::status;
use crate::cli::PauseArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &PauseArgs) -> Result {
    let request = PauseRequest { for_secs: arguments.for_secs };
    let mining = connection::ask(&arguments.remote, async |client| Ok(client.pause_mining(&request).await?))?;
    if arguments.remote.json {
        return output::json(&mining);
    }
    output::line(&format!("mining is {}", status::mining(&mining)))
}
