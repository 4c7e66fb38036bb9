//! What belongs to the window alone: which page, what is typed, what is open.

use std::path::PathBuf;

use infernet_api::{JobId, RequestId};

use crate::backup::BackupState;
use crate::dialog::Dialog;
use crate::pages::{EarningsState, EconomicsState, ProofsState, SettingsState, StudioState};
use crate::palette::PaletteState;
use crate::theme::Appearance;
use crate::toasts::Toasts;
use crate::widgets::Textures;
use crate::wizard::WizardState;

/// The pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Page {
    /// State at a glance, Start and Pause.
    #[default]
    Home,
    /// Making clips.
    Studio,
    /// Devices.
    Hardware,
    /// Audits and trust.
    Proofs,
    /// Money.
    Earnings,
    /// Peers.
    Network,
    /// The simulator.
    Economics,
    /// Models.
    Models,
    /// Settings and logs.
    Settings,
}

impl Page {
    /// All, in the order of the rail and of the number keys.
    pub const ALL: [Self; 9] = [
        Self::Home,
        Self::Studio,
        Self::Hardware,
        Self::Proofs,
        Self::Earnings,
        Self::Network,
        Self::Economics,
        Self::Models,
        Self::Settings,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Home => "Home",
            Self::Studio => "Studio",
            Self::Hardware => "Hardware",
            Self::Proofs => "Proofs & trust",
            Self::Earnings => "Earnings & stake",
            Self::Network => "Network",
            Self::Economics => "Economics",
            Self::Models => "Models",
            Self::Settings => "Settings & logs",
        }
    }
}

/// Numbers that name requests which move money: random to others, each only once here.
#[derive(Clone, Debug, Default)]
pub struct RequestIds {
    seed: [u8; 16],
    next: u64,
}

impl RequestIds {
    /// From 128 random bits.
    #[must_use]
    pub fn new(seed: [u8; 16]) -> Self {
        Self { seed, next: 0 }
    }

    /// The next one.
    pub fn next_id(&mut self) -> RequestId {
        self.next += 1;
        let count = (u128::from(self.next)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        RequestId((u128::from_le_bytes(self.seed) ^ count).to_le_bytes())
    }
}

/// The window's own state.
#[derive(Debug, Default)]
pub struct UiState {
    /// The page that is shown.
    pub page: Page,
    /// Dark or light.
    pub appearance: Appearance,
    /// Size of everything, 0.75 to 2.
    pub zoom: Zoom,
    /// Folder into which files are saved.
    pub folder: PathBuf,
    /// The open question before something that costs or deletes.
    pub dialog: Option<Dialog>,
    /// The command palette, when it is open.
    pub palette: Option<PaletteState>,
    /// The first run's steps, when they are open.
    pub wizard: Option<WizardState>,
    /// The identity's words, while they are written down.
    pub backup: Option<BackupState>,
    /// The link of a network to join.
    pub join: String,
    /// Notifications.
    pub toasts: Toasts,
    /// Names of requests.
    pub request_ids: RequestIds,
    /// Pictures on the GPU.
    pub textures: Textures,
    /// Studio.
    pub studio: StudioState,
    /// Proofs.
    pub proofs: ProofsState,
    /// Earnings.
    pub earnings: EarningsState,
    /// Economics.
    pub economics: EconomicsState,
    /// Settings.
    pub settings: SettingsState,
}

impl UiState {
    /// Shows a job's audit.
    pub fn open_proof(&mut self, job: JobId) {
        self.page = Page::Proofs;
        self.proofs.open(job);
    }
}

/// Size of everything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zoom(pub f32);

impl Zoom {
    /// Smallest and largest.
    pub const RANGE: [f32; 2] = [0.75, 2.0];

    /// Larger or smaller, within the range.
    pub fn change(&mut self, by: f32) {
        self.0 = ((self.0 + by) * 100.0).round() / 100.0;
        self.0 = self.0.clamp(Self::RANGE[0], Self::RANGE[1]);
    }
}

impl Default for Zoom {
    fn default() -> Self {
        Self(1.0)
    }
}
