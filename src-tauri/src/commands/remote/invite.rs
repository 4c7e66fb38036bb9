//! `infernet invite`.

use crate::cli::InviteArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &InviteArgs) -> Result {
    let link = connection::ask(&arguments.remote, async |client| Ok(client.invitation().await?))?;
    if arguments.remote.json {
        return output::json(&link);
    }
    output::line(&link.uri)
}
