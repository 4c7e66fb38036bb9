//! A chain of this computer's own: Foundry's anvil, as the contract's tests start it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::failure::{Failure, Result};

/// Overrides where anvil is.
const VARIABLE: &str = "INFERNET_ANVIL";
/// For anvil to start.
const START: Duration = Duration::from_secs(30);
/// Chain id that anvil serves.
pub(super) const CHAIN_ID: u64 = 31_337;

/// A chain, ended with this value.
pub(super) struct Anvil {
    child: Child,
    pub(super) url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    /// Starts one on a free port, with a block every second.
    pub(super) fn start() -> Result<Self> {
        let program = find()?;
        let mut child = Command::new(&program)
            .args(["--host", "127.0.0.1", "--port", "0", "--hardfork", "cancun", "--block-time", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::input(format!("{} does not start: {error}", program.display())))?;
        let out = child.stdout.take();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let Some(out) = out else { return };
            for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                if let Some(address) = line.strip_prefix("Listening on ") {
                    // Read on to the end: a full pipe would stop it.
                    let _ = send.send(address.to_owned());
                }
            }
        });
        let mut anvil = Self { child, url: String::new() };
        let Ok(address) = receive.recv_timeout(START) else {
            return Err(Failure::Failed(anyhow::anyhow!(
                "{} did not say in {} s where it listens",
                program.display(),
                START.as_secs()
            )));
        };
        anvil.url = format!("http://{address}");
        Ok(anvil)
    }
}

/// Where anvil is: as the variable says, in the path, or where npm has put it.
fn find() -> Result<PathBuf> {
    let name = if cfg!(windows) { "anvil.exe" } else { "anvil" };
    if let Some(program) = std::env::var_os(VARIABLE) {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    {
        return Ok(found);
    }
    let mut checkouts: Vec<PathBuf> = Vec::new();
    checkouts.extend(std::env::current_dir().into_iter().flat_map(|folder| ancestors(&folder)));
    checkouts.extend(std::env::current_exe().into_iter().flat_map(|folder| ancestors(&folder)));
    // A target folder outside the checkout: only builds for development know where that is.
    #[cfg(debug_assertions)]
    checkouts.push(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
    let of_npm = |folder: PathBuf| {
        let packages = std::fs::read_dir(folder.join("contracts").join("node_modules").join("@foundry-rs")).ok()?;
        packages.flatten().map(|package| package.path().join("bin").join(name)).find(|program| program.is_file())
    };
    checkouts.into_iter().find_map(of_npm).ok_or_else(|| {
        Failure::input(format!(
            "anvil, the chain for tests, is not here\n  install Foundry, or run `npm install --no-save` in the source's contracts folder; or set {VARIABLE} to the program"
        ))
    })
}

fn ancestors(folder: &Path) -> Vec<PathBuf> {
    folder.ancestors().map(Path::to_owned).collect()
}
