//! `infernet peers`.

use super::status::word;
use super::table::{self, plain};
use super::time;
use crate::cli::PeersArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &PeersArgs) -> Result {
    let list = connection::ask(&arguments.remote, async |client| Ok(client.peers().await?))?;
    if arguments.remote.json {
        return output::json(&list);
    }
    output::line(&format!("{}: {}", word(&list.reachability.state), list.reachability.reason))?;
    if list.peers.is_empty() {
        output::line("no peers are connected")?;
    } else {
        let rows = list.peers.iter().map(|peer| {
            let roles: Vec<_> = peer.roles.iter().map(word).collect();
            [
                peer.id.short(),
                roles.join(", "),
                word(&peer.connection),
                peer.rtt_ms.map_or_else(String::new, |rtt| format!("{rtt:.1} ms")),
                format!("{:.1}", peer.score),
                time::relative(peer.connected_unix_ms),
                plain(&peer.address, 60),
            ]
        });
        let rows: Vec<_> = rows.collect();
        for line in table::lines(["id", "roles", "connection", "round trip", "score", "since", "address"], &rows) {
            output::line(&line)?;
        }
    }
    for banned in &list.banned {
        let until = time::relative(banned.until_unix_ms);
        output::line(&format!("banned {}: {}; ends {until}", banned.id.short(), plain(&banned.reason, 80)))?;
    }
    Ok(())
}
