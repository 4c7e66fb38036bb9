//! `infernet dashboard`: the window. A client of a node; closing it leaves the node alone.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use infernet_api::Problem;
use infernet_ui::{DashboardError, DashboardOptions, WindowCommand, run_dashboard};

use super::window::RAISE;
use crate::cli::DashboardArgs;
use crate::commands::exchange::random;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::paths;

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

/// What the shell says, until it is gone.
fn listen(tell: &dyn Fn(WindowCommand)) {
    for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
        if line.trim() == RAISE {
            tell(WindowCommand::Raise);
        }
    }
    tell(WindowCommand::Close);
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
