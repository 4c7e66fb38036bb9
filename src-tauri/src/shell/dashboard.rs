//! `infernet dashboard`: the window. A client of a node; closing it leaves the node alone.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use infernet_api::Problem;
use infernet_network::wire::Invitation;
use infernet_ui::backup::Words;
use infernet_ui::{BackupHooks, DashboardError, DashboardOptions, WindowCommand, run_dashboard};

use super::window::{CLOSE, FAILED, INVITED, JOIN, RAISE};
use crate::cli::DashboardArgs;
use crate::commands::exchange::random;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::paths;
use crate::safe::{Kept, PASSPHRASE_VARIABLE, Safe};

/// Where looks, size and place of the window are kept.
const STATE_FILE: &str = "window.ron";

pub(crate) fn run(arguments: &DashboardArgs) -> Result {
    let data = match &arguments.data {
        Some(folder) => folder.clone(),
        None => paths::data_dir()?,
    };
    let node = connection::config(&arguments.node, &data)?;
    let seed: [u8; 32] = random()?;
    let mut half = [0; 16];
    half.copy_from_slice(&seed[..16]);
    let mut options = DashboardOptions::new(node.url, node.token, save_folder(&data), half);
    options.trust = node.trust;
    let state = data.join(STATE_FILE);
    options.first_run = !state.exists() && arguments.node.url.is_none() && !arguments.skip_wizard;
    options.state_file = Some(state);
    if arguments.node.url.is_none() {
        let folder = data.clone();
        options.restart = Some(Arc::new(move || restart(&folder)));
        if arguments.commands {
            options.join = Some(Arc::new(join));
        }
        options.backup = Some(backup(data.clone()));
    }
    if arguments.commands {
        options.commands = Some(Box::new(|tell| {
            std::thread::spawn(move || listen(&*tell));
        }));
    }
    run_dashboard(options).map_err(|error: DashboardError| {
        let (code, next_step) = (error.code(), error.next_step());
        Failure::Failed(anyhow::anyhow!("{error}\n  {next_step} ({code})"))
    })
}

/// What the shell says, until it is gone. A shell that just dies says nothing: the window stays, and offers to start it again.
fn listen(tell: &dyn Fn(WindowCommand)) {
    for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
        if line == RAISE {
            tell(WindowCommand::Raise);
        } else if line == CLOSE {
            tell(WindowCommand::Close);
        } else if let Some(link) = line.strip_prefix(INVITED) {
            tell(WindowCommand::Invited(link.to_owned()));
        } else if let Some(message) = line.strip_prefix(FAILED) {
            tell(WindowCommand::Failed(Problem {
                code: "shell".to_owned(),
                message: message.to_owned(),
                next_step: "look into the log of the desktop".to_owned(),
            }));
        }
    }
}

/// Asks the shell to take the node to another network.
fn join(link: &str) -> std::result::Result<(), Problem> {
    let problem = |message: String, next_step: &str| Problem {
        code: "invitation".to_owned(),
        message,
        next_step: next_step.to_owned(),
    };
    Invitation::parse(link)
        .map_err(|error| problem(error.to_string(), "ask for the link again, and copy all of it"))?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{JOIN}{link}")
        .and_then(|()| output.flush())
        .map_err(|error| problem(format!("the desktop is gone: {error}"), "start InferNet again"))
}

/// The identity in a folder of this computer.
fn backup(data: PathBuf) -> BackupHooks {
    let folder = data.clone();
    BackupHooks {
        words: Arc::new(move || words(&folder).map_err(|failure| unopened(&failure))),
        written: Arc::new(move || written(&data).map_err(|failure| unopened(&failure))),
    }
}

fn words(data: &Path) -> Result<Words> {
    let safe = Safe::new(data, None);
    // Nobody is at this process's terminal, and what comes in there is the shell's.
    if safe.kept()? == Kept::Encrypted && std::env::var_os(PASSPHRASE_VARIABLE).is_none() {
        return Err(Failure::input("the identity is under a passphrase, which only a terminal asks for"));
    }
    Ok(Words::new(safe.open()?.phrase().words().map(str::to_owned)))
}

fn written(data: &Path) -> Result {
    let safe = Safe::new(data, None);
    match safe.owner()? {
        Some(owner) => safe.note_backup(&owner),
        None => Err(Failure::input("there is no identity in the node's folder")),
    }
}

fn unopened(failure: &Failure) -> Problem {
    Problem {
        code: "identity_unopened".to_owned(),
        message: format!("the words can't be shown here: {failure}"),
        next_step: "show them in a terminal: infernet identity phrase".to_owned(),
    }
}

/// Starts the desktop again, without another window.
fn restart(data: &Path) -> std::result::Result<(), Problem> {
    let started = std::env::current_exe().and_then(|program| {
        std::process::Command::new(program)
            .args(["desktop", "--background", "--data"])
            .arg(data)
            .stdin(std::process::Stdio::null())
            .spawn()
    });
    started.map(drop).map_err(|error| Problem {
        code: "node_start".to_owned(),
        message: format!("the node can't be started: {error}"),
        next_step: "start InferNet from the menu of your system".to_owned(),
    })
}

fn save_folder(data: &Path) -> PathBuf {
    let user = directories::UserDirs::new();
    user.as_ref()
        .and_then(|user| user.video_dir().or_else(|| user.download_dir()))
        .map_or_else(|| data.join("saved"), Path::to_owned)
}
