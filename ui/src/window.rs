//! The window.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use egui::{Context, Ui, ViewportBuilder, ViewportCommand};
use infernet_api::client::{Client, ClientConfig, ClientError, ServerTrust};
use infernet_api::{ApiToken, Problem};

use crate::actions::{ActionId, Actions};
use crate::app::dashboard_ui;
use crate::backup::Words;
use crate::client::{ClientThread, Start};
use crate::pages;
use crate::state::{Page, RequestIds, UiState, Zoom};
use crate::theme::{self, Appearance};
use crate::wizard::WizardState;

/// Smallest window.
const LEAST_SIZE: [f32; 2] = [640.0, 480.0];
/// Keys under which the window's own state is kept.
const KEY_LOOK: &str = "infernet-look";

/// Starts the node again; a problem is shown in the window.
pub type Restart = Arc<dyn Fn() -> Result<(), Problem> + Send + Sync>;

/// Takes the node to the network of a link; a problem is shown in the window.
pub type Join = Arc<dyn Fn(&str) -> Result<(), Problem> + Send + Sync>;

/// How this computer's identity is written down. Nothing of it goes over the node's API.
#[derive(Clone)]
pub struct BackupHooks {
    /// Its words.
    pub words: Arc<dyn Fn() -> Result<Words, Problem> + Send + Sync>,
    /// Notes that they are on paper.
    pub written: Arc<dyn Fn() -> Result<(), Problem> + Send + Sync>,
}

/// What another process asks of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowCommand {
    /// Come to the front.
    Raise,
    /// Close.
    Close,
    /// Ask whether to join the network of a link.
    Invited(String),
    /// Say what went wrong outside the window.
    Failed(Problem),
}

/// Gets a function that tells the window; called once, when the window is there.
pub type Commands = Box<dyn FnOnce(Box<dyn Fn(WindowCommand) + Send>) + Send>;

/// What the window needs to know.
pub struct DashboardOptions {
    /// The node's URL: `http` for this computer, `https` for others.
    pub url: String,
    /// The node's token.
    pub token: ApiToken,
    /// How to recognise a node of another computer.
    pub trust: ServerTrust,
    /// Starts the node again, when this program can.
    pub restart: Option<Restart>,
    /// Takes the node to another network, when this program can.
    pub join: Option<Join>,
    /// Shows the identity's words, where it is this computer's.
    pub backup: Option<BackupHooks>,
    /// Where saved files go until the owner says otherwise; the user's folder for videos, say.
    pub save_folder: PathBuf,
    /// Where size, place and looks of the window are kept; nowhere without it.
    pub state_file: Option<PathBuf>,
    /// Begin with the first-run steps.
    pub first_run: bool,
    /// 128 random bits, for the names of requests that move money.
    pub random: [u8; 16],
    /// The page that is shown first.
    pub page: Page,
    /// Where commands of another process come from.
    pub commands: Option<Commands>,
}

impl DashboardOptions {
    /// For a node of this computer.
    #[must_use]
    pub fn new(url: impl Into<String>, token: ApiToken, save_folder: PathBuf, random: [u8; 16]) -> Self {
        Self {
            url: url.into(),
            token,
            trust: ServerTrust::ThisComputer,
            restart: None,
            join: None,
            backup: None,
            save_folder,
            state_file: None,
            first_run: false,
            random,
            page: Page::Home,
            commands: None,
        }
    }
}

impl std::fmt::Debug for DashboardOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DashboardOptions").field("url", &self.url).field("page", &self.page).finish_non_exhaustive()
    }
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The node can't be asked at all.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The thread behind the window did not start.
    #[error("can't start the thread that asks the node: {0}")]
    Thread(#[from] std::io::Error),
    /// No window could be opened.
    #[error("can't open a window: {reason}")]
    Window {
        /// What the desktop or the graphics driver said.
        reason: String,
    },
}

impl DashboardError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Client(error) => error.code(),
            Self::Thread(_) => "no_thread",
            Self::Window { .. } => "no_window",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Client(error) => error.next_step(),
            Self::Thread(_) => "close other programs and try again".to_owned(),
            Self::Window { .. } => {
                "check that a desktop is running and a graphics driver is installed (Vulkan, Metal or DirectX 12); `infernet --help` lists what works without a window".to_owned()
            }
        }
    }
}

/// Opens the window and returns when it was closed. Must be called on the main thread.
///
/// # Errors
/// [`DashboardError`].
pub fn run_dashboard(options: DashboardOptions) -> Result<(), DashboardError> {
    let client = Client::new(&ClientConfig { url: options.url, token: options.token, trust: options.trust })?;
    let native = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("InferNet")
            .with_app_id("infernet")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size(LEAST_SIZE),
        persistence_path: options.state_file,
        ..eframe::NativeOptions::default()
    };
    let mut state = UiState {
        page: options.page,
        folder: options.save_folder,
        request_ids: RequestIds::new(options.random),
        wizard: options.first_run.then(WizardState::default),
        ..UiState::default()
    };
    let (restart, join, backup, commands) = (options.restart, options.join, options.backup, options.commands);
    let create: eframe::AppCreator<'_> = Box::new(move |creation| {
        let context = &creation.egui_ctx;
        // The keys for it are ours, so that the size is kept.
        context.options_mut(|options| options.zoom_with_keyboard = false);
        theme::install_fonts(context);
        theme::apply(context);
        if let Some(look) = creation.storage.and_then(|storage| storage.get_string(KEY_LOOK)) {
            read_look(&look, &mut state);
        }
        let (send, inbox) = mpsc::channel();
        if let Some(commands) = commands {
            let context = context.clone();
            commands(Box::new(move |command| {
                let commands: &[ViewportCommand] = match &command {
                    WindowCommand::Close => &[ViewportCommand::Close],
                    WindowCommand::Failed(_) => &[],
                    WindowCommand::Raise | WindowCommand::Invited(_) => {
                        &[ViewportCommand::Minimized(false), ViewportCommand::Focus]
                    }
                };
                // The window that would take it is being closed.
                let _ended = send.send(command);
                for command in commands {
                    context.send_viewport_cmd(command.clone());
                }
                context.request_repaint();
            }));
        }
        let drawn = context.clone();
        // Changes that come close together are one frame.
        let changed = Arc::new(move || drawn.request_repaint_after(Duration::from_millis(30)));
        let thread = ClientThread::start(Start { client, changed, restart, join, backup })?;
        Ok(Box::new(Window { thread, state, actions: Actions::default(), inbox }))
    });
    eframe::run_native("infernet", native, create).map_err(|error| DashboardError::Window { reason: error.to_string() })
}

struct Window {
    thread: ClientThread,
    state: UiState,
    actions: Actions,
    inbox: mpsc::Receiver<WindowCommand>,
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        set_look(ui.ctx(), &self.state);
        {
            let mut snapshot = self.thread.snapshot();
            for command in self.inbox.try_iter() {
                match command {
                    WindowCommand::Invited(link) => {
                        self.state.page = Page::Network;
                        self.state.dialog = Some(pages::question(&snapshot, link));
                    }
                    // The number of no action: nobody waits for it, and it is said.
                    WindowCommand::Failed(problem) => snapshot.finish(ActionId(0), Err(problem)),
                    WindowCommand::Raise | WindowCommand::Close => {}
                }
            }
            dashboard_ui(ui, &snapshot, &mut self.state, &mut self.actions);
        }
        self.thread.send(self.actions.take());
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        storage.set_string(KEY_LOOK, write_look(&self.state));
    }
}

fn set_look(context: &Context, state: &UiState) {
    context.set_theme(state.appearance);
    context.set_zoom_factor(state.zoom.0);
}

/// Looks and the first run's step, so that it can be gone on with.
fn write_look(state: &UiState) -> String {
    let look = match state.appearance {
        Appearance::System => "system",
        Appearance::Dark => "dark",
        Appearance::Light => "light",
    };
    let step = state.wizard.map_or_else(|| "-".to_owned(), |wizard| wizard.step().to_string());
    format!("{look} {} {step}", state.zoom.0)
}

fn read_look(text: &str, state: &mut UiState) {
    let mut words = text.split_whitespace();
    state.appearance = match words.next() {
        Some("system") => Appearance::System,
        Some("light") => Appearance::Light,
        _ => Appearance::Dark,
    };
    let zoom = words.next().and_then(|word| word.parse::<f32>().ok()).filter(|zoom| zoom.is_finite());
    state.zoom = Zoom(zoom.unwrap_or(1.0));
    state.zoom.change(0.0);
    if let Some(step) = words.next().and_then(|word| word.parse().ok()) {
        state.wizard = Some(WizardState::at(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_kept_and_nonsense_is_not_believed() {
        let state = UiState {
            appearance: Appearance::Light,
            zoom: Zoom(1.5),
            wizard: Some(WizardState::at(2)),
            ..UiState::default()
        };
        let mut read = UiState::default();
        read_look(&write_look(&state), &mut read);
        assert_eq!((read.appearance, read.zoom, read.wizard), (state.appearance, state.zoom, state.wizard));
        for wrong in ["", "light NaN", "blue 900 9000", "dark -1 x"] {
            read_look(wrong, &mut read);
            assert!((0.75..=2.0).contains(&read.zoom.0), "{wrong}");
        }
    }
}
