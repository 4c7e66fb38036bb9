//! Handing a package to the system.

use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Result};

/// What installs a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Install {
    pub(crate) program: &'static str,
    pub(crate) arguments: Vec<String>,
}

/// How this program was installed, as lists of updates name it.
pub(super) fn how() -> Option<&'static str> {
    if cfg!(windows) {
        return Some("nsis");
    }
    if cfg!(target_os = "macos") {
        return Some("app");
    }
    let asked = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let own = std::env::current_exe().ok()?;
    let own = own.to_str()?;
    if asked("dpkg", &["-S", own]) {
        Some("deb")
    } else if asked("rpm", &["-qf", own]) {
        Some("rpm")
    } else {
        None
    }
}

/// What installs this file here; none where its owner must.
pub(crate) fn of(file: &Path) -> Option<Install> {
    let path = file.display().to_string();
    // The system asks for the password: this program never has it.
    let as_root = |tool: &str, rest: &[&str]| {
        let arguments = [tool].into_iter().chain(rest.iter().copied()).map(str::to_owned).chain([path.clone()]);
        Install { program: "pkexec", arguments: arguments.collect() }
    };
    match file.extension().and_then(|extension| extension.to_str())? {
        "deb" if cfg!(target_os = "linux") => Some(as_root("apt-get", &["install", "--yes"])),
        "rpm" if cfg!(target_os = "linux") => Some(as_root("dnf", &["install", "--assumeyes"])),
        "exe" if cfg!(windows) => {
            Some(Install { program: "cmd", arguments: vec!["/C".into(), "start".into(), "".into(), path] })
        }
        _ => None,
    }
}

impl Install {
    /// As it would be typed.
    pub(crate) fn typed(&self) -> String {
        let quoted =
            |word: &String| if word.contains(' ') || word.is_empty() { format!("\"{word}\"") } else { word.clone() };
        [self.program.to_owned()].into_iter().chain(self.arguments.iter().map(quoted)).collect::<Vec<_>>().join(" ")
    }

    /// Installs.
    ///
    /// # Errors
    /// It can't be started, or fails.
    pub(crate) fn run(&self) -> Result {
        let status = Command::new(self.program).args(&self.arguments).status().map_err(|error| {
            Failure::Failed(anyhow::anyhow!("`{}` can't be started: {error}; type it yourself", self.typed()))
        })?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Failed(anyhow::anyhow!("`{}` ended with {status}; the old version is still there", self.typed())))
    }
}
