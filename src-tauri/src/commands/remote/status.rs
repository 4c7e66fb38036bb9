//! `infernet status`.

use infernet_api::types::status::{MiningStatus, Status};
use serde::Serialize;

use super::jobs;
use super::money::credits;
use super::table::plain;
use super::time::{duration, relative};
use crate::cli::StatusArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

pub(super) fn run(arguments: &StatusArgs) -> Result {
    let status = connection::ask(&arguments.remote, async |client| Ok(client.status().await?))?;
    if arguments.remote.json {
        return output::json(&status);
    }
    for line in lines(&status) {
        output::line(&line)?;
    }
    Ok(())
}

fn lines(status: &Status) -> Vec<String> {
    let roles: Vec<_> = status.roles.iter().map(word).collect();
    let mut lines = vec![
        format!("node        {} {}", plain(&status.name, 40), status.node_id),
        format!("version     {}, up {}", status.version, duration(status.uptime_secs)),
        format!("roles       {}", roles.join(", ")),
        format!("network     {}, {}", plain(&status.network.name, 40), validator(status)),
        format!("mining      {}", mining(&status.mining)),
        format!("worker      {}", worker(status)),
        format!("reachable   {}: {}", word(&status.reachability.state), status.reachability.reason),
        format!("peers       {}", status.peers_connected),
        format!("earned      {} today", credits(status.earned_today_microcredits)),
        format!("balance     {}", credits(status.balance_microcredits)),
    ];
    lines.extend(status.trust_ppm.map(|trust| format!("trust       {:.1} %", f64::from(trust) / 1e4)));
    lines.extend(status.current_job.as_ref().map(|job| format!("job         {}", jobs::line(job))));
    if !status.reachability.next_step.is_empty() {
        lines.push(format!("next        {}", status.reachability.next_step));
    }
    if !status.identity_backed_up {
        lines.push(
            "next        write the identity's phrase down; without it a broken disk takes the balance".to_owned(),
        );
    }
    lines
}

fn validator(status: &Status) -> String {
    match status.network.validator {
        None => "no validator is set".to_owned(),
        Some(validator) if status.network.validator_connected => format!("validator {} connected", validator.short()),
        Some(validator) => format!("validator {} not connected", validator.short()),
    }
}

/// Mining in one line.
pub(super) fn mining(mining: &MiningStatus) -> String {
    let reasons: Vec<_> = mining.pause_reasons.iter().map(word).collect();
    let mut text = word(&mining.state);
    if !reasons.is_empty() {
        text += &format!(" ({})", reasons.join(", "));
    }
    if let Some(ends) = mining.pause_ends_unix_ms {
        text += &format!(", goes on {}", relative(ends));
    }
    if let Some(problem) = &mining.attention {
        text += &format!(": {}; {}", problem.message, problem.next_step);
    }
    text
}

fn worker(status: &Status) -> String {
    let worker = &status.worker;
    let device = worker.device.as_deref().map_or_else(String::new, |device| format!(" on {}", plain(device, 60)));
    let failure =
        worker.last_failure.as_ref().map_or_else(String::new, |problem| format!("; last failed: {}", problem.message));
    let restarts = if worker.restarts == 0 { String::new() } else { format!(", {} restarts", worker.restarts) };
    format!("{}{device}{restarts}{failure}", word(&worker.state))
}

/// A value's name on the wire, with spaces.
pub(super) fn word(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(|name| name.replace('_', " ")));
    name.unwrap_or_default()
}
