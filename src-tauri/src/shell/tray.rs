//! The icon in the tray and its menu.

use infernet_api::types::status::{MiningState, Status};
use tauri::image::Image;
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Wry};

use super::notices::credits;

/// Names of the menu's items.
pub(super) const OPEN: &str = "open";
pub(super) const TOGGLE: &str = "toggle";
pub(super) const QUIT: &str = "quit";

const MINING: &[u8] = include_bytes!("../../../assets/icons/tray-mining.png");
const PAUSED: &[u8] = include_bytes!("../../../assets/icons/tray-paused.png");

/// What the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Face {
    /// Whether the icon is the bright one.
    mining: bool,
    state: &'static str,
    earned: String,
    toggle: &'static str,
}

impl Face {
    pub(super) fn of(status: Option<&Status>) -> Self {
        let Some(status) = status else {
            return Self {
                mining: false,
                state: "The node does not answer",
                earned: String::new(),
                toggle: "Start mining",
            };
        };
        let (mining, state) = match status.mining.state {
            MiningState::Off => (false, "Not mining"),
            MiningState::Starting => (true, "Getting ready"),
            MiningState::Waiting => (true, "Ready, waiting for a job"),
            MiningState::Working => (true, "Making a clip"),
            MiningState::Paused => (false, "Paused"),
            MiningState::Attention => (false, "Needs your attention"),
        };
        let earned = format!("Earned today: {}", credits(status.earned_today_microcredits));
        let toggle = if mining { "Pause mining" } else { "Start mining" };
        Self { mining, state, earned, toggle }
    }

    /// Whether the menu's item pauses.
    pub(super) fn is_mining(&self) -> bool {
        self.mining
    }
}

/// The tray with the parts that change.
pub(super) struct Tray {
    icon: TrayIcon<Wry>,
    state: MenuItem<Wry>,
    earned: MenuItem<Wry>,
    toggle: MenuItem<Wry>,
}

impl Tray {
    /// Puts it up.
    pub(super) fn new(app: &AppHandle, face: &Face) -> tauri::Result<Self> {
        let state = MenuItem::new(app, face.state, false, None::<&str>)?;
        let earned = MenuItem::new(app, &face.earned, false, None::<&str>)?;
        let open = MenuItem::with_id(app, OPEN, "Open InferNet", true, None::<&str>)?;
        let toggle = MenuItem::with_id(app, TOGGLE, face.toggle, true, None::<&str>)?;
        let quit = MenuItem::with_id(app, QUIT, "Quit", true, None::<&str>)?;
        let line = PredefinedMenuItem::separator(app)?;
        let menu = Menu::with_items(app, &[&state, &earned, &line, &open, &toggle, &quit])?;
        let icon = TrayIconBuilder::with_id("infernet")
            .icon(picture(face)?)
            .tooltip(format!("InferNet: {}", face.state))
            .menu(&menu)
            .build(app)?;
        Ok(Self { icon, state, earned, toggle })
    }

    /// Shows another face.
    pub(super) fn show(&self, face: &Face) -> tauri::Result<()> {
        self.icon.set_icon(Some(picture(face)?))?;
        // Where the system shows no tooltips there is nothing to lose.
        let _ = self.icon.set_tooltip(Some(format!("InferNet: {}", face.state)));
        self.state.set_text(face.state)?;
        self.earned.set_text(&face.earned)?;
        self.toggle.set_text(face.toggle)
    }
}

fn picture(face: &Face) -> tauri::Result<Image<'static>> {
    Image::from_bytes(if face.mining { MINING } else { PAUSED })
}
