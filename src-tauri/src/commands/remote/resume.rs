//! `infernet resume`.

use super::status;
use crate::cli::ResumeArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &ResumeArgs) -> Result {
    let mining = connection::ask(&arguments.remote, async |client| Ok(client.start_mining().await?))?;
    if arguments.remote.json {
        return output::json(&mining);
    }
    output::line(&format!("mining is {}", status::mining(&mining)))
}
