//! What is around the miner, read from the system. Blocking: for a thread of its own.

use std::ffi::OsStr;
use std::path::Path;

use infernet_api::types::settings::MiningSettings;
use starship_battery::{Manager, State};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::rules::Surroundings;
use super::session::Session;

/// What was opened to look around with.
pub struct Senses {
    batteries: Option<Manager>,
    processes: Option<System>,
    session: Session,
}

impl Default for Senses {
    fn default() -> Self {
        Self::new()
    }
}

impl Senses {
    /// Opens what there is.
    #[must_use]
    pub fn new() -> Self {
        fn opened<T>(what: &str, answer: Result<T, impl std::fmt::Display>) -> Option<T> {
            answer.map_err(|error| tracing::debug!("{what} can't be read: {error}")).ok()
        }
        Self {
            batteries: opened("batteries", Manager::new()),
            processes: opened("processes", System::new()),
            session: Session::default(),
        }
    }

    /// Looks around, as far as the settings ask for it.
    pub fn look(&mut self, settings: &MiningSettings, folder: &Path) -> Surroundings {
        let now = jiff::Zoned::now();
        let day = u32::from(now.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
        let wanted = |on: bool| on.then_some(());
        Surroundings {
            minute_of_week: day * 24 * 60 + minute,
            on_battery: wanted(settings.pause_on_battery).and_then(|()| self.on_battery()),
            idle_secs: wanted(settings.pause_when_user_active).and_then(|()| self.session.idle_secs()),
            full_screen: wanted(settings.pause_on_full_screen).and_then(|()| self.session.full_screen()),
            listed_app: wanted(!settings.pause_on_apps.is_empty())
                .and_then(|()| self.runs_one_of(&settings.pause_on_apps)),
            metered: wanted(settings.pause_on_metered_link).and_then(|()| self.session.metered()),
            disk_free_bytes: fs4::available_space(folder).ok(),
            others_load_percent: None,
            temperature_celsius: None,
        }
    }

    fn on_battery(&self) -> Option<bool> {
        let mut batteries = self.batteries.as_ref()?.batteries().ok()?.filter_map(Result::ok).peekable();
        // Without one it is a computer on a cable.
        batteries.peek()?;
        Some(batteries.any(|battery| battery.state() == State::Discharging))
    }

    fn runs_one_of(&mut self, names: &[String]) -> Option<bool> {
        let system = self.processes.as_mut()?;
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
        Some(system.processes().values().any(|process| {
            let file = process.exe().and_then(Path::file_name).unwrap_or_default();
            names.iter().any(|wanted| is_named(process.name(), wanted) || is_named(file, wanted))
        }))
    }
}

/// Whether a program's file name is the one that is meant, whatever its case and with or without `.exe`.
fn is_named(name: &OsStr, wanted: &str) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let wanted = wanted.to_lowercase();
    let stem = |name: &str| name.strip_suffix(".exe").unwrap_or(name).to_owned();
    // The system cuts long names of processes off at 15 characters.
    !wanted.is_empty() && (stem(&name) == stem(&wanted) || (name.len() == 15 && wanted.starts_with(&name)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_file_name() {
        for (name, wanted, is) in [
            ("Game.exe", "game", true),
            ("blender", "Blender.EXE", true),
            ("blender", "blend", false),
            ("a-very-long-pro", "a-very-long-program", true),
            ("anything", "", false),
        ] {
            assert_eq!(is_named(OsStr::new(name), wanted), is, "{name} {wanted}");
        }
    }

    #[test]
    fn this_computer_can_be_looked_at() {
        let mut senses = Senses::new();
        let own = std::env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_string_lossy().into_owned();
        let settings = MiningSettings { pause_on_apps: vec![name], ..MiningSettings::default() };
        let folder = tempfile::tempdir().unwrap();
        let around = senses.look(&settings, folder.path());
        assert!(around.minute_of_week < 7 * 24 * 60);
        assert_eq!(around.listed_app, Some(true), "this test runs");
        assert!(around.disk_free_bytes.is_some_and(|free| free > 0));
        let none = MiningSettings { pause_on_apps: vec!["no such program".to_owned()], ..settings };
        assert_eq!(senses.look(&none, folder.path()).listed_app, Some(false));
    }
}
