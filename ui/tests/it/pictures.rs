//! Every page in its four states. After a change on purpose: `UPDATE_SNAPSHOTS=1`, and look at each.

use egui::Theme;
use egui_kittest::SnapshotOptions;
use infernet_ui::backup::{BackupState, Words};
use infernet_ui::wizard::WizardState;
use infernet_ui::{EconomicsState, Loadable, Page, Snapshot, UiState};

use crate::{fixtures, window};

const SIZE: [f32; 2] = [1280.0, 800.0];

fn short(page: Page) -> &'static str {
    match page {
        Page::Home => "home",
        Page::Studio => "studio",
        Page::Hardware => "hardware",
        Page::Proofs => "proofs",
        Page::Earnings => "earnings",
        Page::Network => "network",
        Page::Economics => "economics",
        Page::Models => "models",
        Page::Settings => "settings",
    }
}

fn look(
    name: &str,
    snapshot: Snapshot,
    state: UiState,
    theme: Theme,
    size: [f32; 2],
    scale: f32,
) -> egui_kittest::SnapshotResult {
    let mut window = window(snapshot, state, theme, size, scale);
    window.run_steps(6);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots");
    window.try_snapshot_options(name, &SnapshotOptions::new().output_path(folder))
}

fn state(page: Page) -> UiState {
    UiState { page, folder: "/home/me/Videos".into(), ..UiState::default() }
}

/// All pages of a state in one look; every failure is told, not the first alone.
fn pages(kind: &str, theme: Theme, scale: f32, snapshot: fn() -> Snapshot) {
    let suffix = if theme == Theme::Dark { "dark" } else { "light" };
    let size = if scale > 1.0 { [853.0, 533.0] } else { SIZE };
    let mut failed = Vec::new();
    for page in Page::ALL {
        let mut state = state(page);
        if page == Page::Economics && kind == "error" {
            state.economics = EconomicsState::failing(fixtures::problem());
        }
        if page == Page::Proofs && kind == "full" {
            state.open_proof(fixtures::job_id(13));
        }
        let name = format!("{}-{kind}-{suffix}-{:.0}", short(page), scale * 100.0);
        if let Err(error) = look(&name, snapshot(), state, theme, size, scale) {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn earnings_on_a_chain() {
    let drawn = look("earnings-chain-dark-100", fixtures::on_a_chain(), state(Page::Earnings), Theme::Dark, SIZE, 1.0);
    if let Err(error) = drawn {
        panic!("{error}");
    }
}

#[test]
fn full_dark() {
    pages("full", Theme::Dark, 1.0, fixtures::full);
}

#[test]
fn full_light() {
    pages("full", Theme::Light, 1.0, fixtures::full);
}

#[test]
fn full_dark_large() {
    pages("full", Theme::Dark, 1.5, fixtures::full);
}

#[test]
fn full_light_large() {
    pages("full", Theme::Light, 1.5, fixtures::full);
}

#[test]
fn empty_dark() {
    pages("empty", Theme::Dark, 1.0, fixtures::empty);
}

#[test]
fn loading_dark() {
    pages("loading", Theme::Dark, 1.0, fixtures::loading);
}

#[test]
fn error_dark() {
    pages("error", Theme::Dark, 1.0, fixtures::error);
}

#[test]
fn first_run() {
    for step in 0..4 {
        let state = UiState { wizard: Some(WizardState::at(step)), ..state(Page::Home) };
        look(&format!("wizard-{}-dark-100", step + 1), fixtures::full(), state, Theme::Dark, SIZE, 1.0).unwrap();
    }
    for (kind, snapshot) in
        [("empty", fixtures::empty()), ("loading", fixtures::loading()), ("error", fixtures::error())]
    {
        let state = UiState { wizard: Some(WizardState::default()), ..state(Page::Home) };
        look(&format!("wizard-{kind}-dark-100"), snapshot, state, Theme::Dark, SIZE, 1.0).unwrap();
    }
}

#[test]
fn writing_the_words_down() {
    let words = ["lamp", "river", "orbit", "velvet", "cabin", "mimic"].iter().cycle().take(24);
    let shown = Loadable::Ready(Words::new(words.map(ToString::to_string)));
    for (kind, words) in [("words", shown), ("failed", Loadable::Failed(fixtures::problem()))] {
        let snapshot = Snapshot { words: Some(words), ..fixtures::full() };
        let state = UiState { backup: Some(BackupState::new(7)), ..state(Page::Settings) };
        look(&format!("backup-{kind}-dark-100"), snapshot, state, Theme::Dark, SIZE, 1.0).unwrap();
    }
}

/// What is below the fold of the longest page.
#[test]
fn all_settings() {
    look("settings-all-dark", fixtures::full(), state(Page::Settings), Theme::Dark, [1280.0, 2000.0], 1.0).unwrap();
}

#[test]
fn a_small_window_is_not_clipped() {
    for page in [Page::Home, Page::Studio, Page::Earnings, Page::Network] {
        look(&format!("{}-small-dark", short(page)), fixtures::full(), state(page), Theme::Dark, [1024.0, 640.0], 1.0)
            .unwrap();
    }
}

/// The node's own log, with its two grave levels.
#[test]
fn the_nodes_log() {
    use infernet_api::types::log::{LogLevel, LogLine, LogLines};
    let said = [
        (LogLevel::Info, "infernet_node::node", "the node is up at http://127.0.0.1:7417"),
        (LogLevel::Info, "infernet_node::miner::bench", "posted -> offered job=7f21c3d4 attempt=1"),
        (LogLevel::Warn, "infernet_network::swarm", "a peer sends too much and is told so"),
        (LogLevel::Error, "infernet_node::worker", "the worker ended with signal 9; it is started again in 2 s"),
    ];
    let line = |(number, (level, target, text)): (u64, (LogLevel, &str, &str))| LogLine {
        number,
        time_unix_ms: fixtures::NOW + 1000 * number,
        level,
        target: target.to_owned(),
        text: text.to_owned(),
    };
    let mut snapshot = fixtures::full();
    snapshot.log = Some(Loadable::Ready(LogLines { lines: (1..).zip(said).map(line).collect() }));
    let mut state = state(Page::Settings);
    state.settings.open_node_log();
    look("settings-node-log-dark", snapshot, state, Theme::Dark, [1280.0, 800.0], 1.0).unwrap();
}
