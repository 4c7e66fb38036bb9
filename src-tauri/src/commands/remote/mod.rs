//! Commands that ask a running node: one file each, thin over the client.

mod cancel;
mod claim;
mod doctor;
mod invite;
mod jobs;
mod money;
mod on_chain;
mod pause;
mod peers;
mod refund;
mod resume;
mod settings;
mod stake;
mod status;
mod submit;
mod table;
mod time;
mod watch;

use crate::cli::RemoteCommand;
use crate::failure::Result;

pub(super) fn run(command: &RemoteCommand) -> Result {
    match command {
        RemoteCommand::Status(arguments) => status::run(arguments),
        RemoteCommand::Jobs(arguments) => jobs::run(arguments),
        RemoteCommand::Invite(arguments) => invite::run(arguments),
        RemoteCommand::Peers(arguments) => peers::run(arguments),
        RemoteCommand::Submit(arguments) => submit::run(arguments),
        RemoteCommand::Watch(arguments) => watch::run(arguments),
        RemoteCommand::Stake(arguments) => stake::run(arguments),
        RemoteCommand::Claim(arguments) => claim::run(arguments),
        RemoteCommand::Cancel(arguments) => cancel::run(arguments),
        RemoteCommand::Refund(arguments) => refund::run(arguments),
        RemoteCommand::Pause(arguments) => pause::run(arguments),
        RemoteCommand::Resume(arguments) => resume::run(arguments),
        RemoteCommand::Settings(arguments) => settings::run(arguments),
        RemoteCommand::Doctor(arguments) => doctor::run(arguments),
    }
}
