//! Tauri: one instance, tray, notifications, and the end in order.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use infernet_api::client::Update;
use infernet_api::types::settings::Settings;
use infernet_api::types::status::PauseRequest;
use tauri::{AppHandle, Manager, RunEvent};
use tauri_plugin_autostart::{MacosLauncher, ManagerExt};
use tauri_plugin_notification::NotificationExt;

use super::keeper::Keeper;
use super::notices::Notices;
use super::tray::{Face, OPEN, QUIT, TOGGLE, Tray};
use super::window::{INVITED, RAISE, Window};
use crate::cli::{DesktopArgs, SCHEME};
use crate::failure::{Failure, Result};
use crate::interrupt;
use crate::update::{Source, newest};

/// How often the tray looks at the node.
const LOOK: Duration = Duration::from_secs(2);

/// When updates are first looked for: not while everything starts.
const FIRST_UPDATE_LOOK: Duration = Duration::from_secs(60);
/// How often after that.
const UPDATE_LOOK: Duration = Duration::from_secs(24 * 3600);

/// What the desktop holds while it runs.
struct Shell {
    keeper: Arc<Keeper>,
    window: Window,
    face: Mutex<Face>,
}

pub(crate) fn run(arguments: &DesktopArgs) -> Result {
    super::check_display()?;
    let data = arguments.data.clone();
    let (background, link) = (arguments.background, arguments.link.clone());
    let app = tauri::Builder::default()
        // First, so that a second start ends before it touches anything.
        .plugin(tauri_plugin_single_instance::init(|app, words, _| {
            // What a second start was given; it has checked it.
            match words.iter().find(|word| word.starts_with(SCHEME)) {
                Some(link) => tell(app, &format!("{INVITED}{link}")),
                None => open(app),
            }
        }))
        .plugin(tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec!["desktop", "--background"])))
        .plugin(tauri_plugin_notification::init())
        .on_menu_event(|app, event| match event.id().as_ref() {
            OPEN => open(app),
            TOGGLE => toggle(app),
            QUIT => app.exit(0),
            _ => {}
        })
        .setup(move |app| {
            let keeper = Keeper::start(data.as_deref()).map_err(said)?;
            let client = keeper.client().map_err(said)?;
            let status = keeper.runtime().block_on(client.status()).ok();
            let face = Face::of(status.as_ref());
            // Desktops without a tray go without.
            let tray = Tray::new(app.handle(), &face).map_err(|error| tracing::warn!("no tray: {error}")).ok();
            let keeper = Arc::new(keeper);
            let window = super::window_of(&keeper);
            keeper.runtime().spawn(follow(app.handle().clone(), Arc::clone(&keeper), tray));
            keeper.runtime().spawn(notify(app.handle().clone(), Arc::clone(&keeper)));
            keeper.runtime().spawn(look_for_updates(app.handle().clone()));
            if let Some(link) = &link {
                window.tell(&format!("{INVITED}{link}")).map_err(said)?;
            } else if !background {
                window.open().map_err(said)?;
            }
            app.manage(Arc::new(Shell { keeper, window, face: Mutex::new(face) }));
            let (handle, interrupted) = (app.handle().clone(), interrupt::flag());
            std::thread::spawn(move || {
                while !interrupted.load(Ordering::SeqCst) {
                    std::thread::sleep(LOOK / 10);
                }
                handle.exit(0);
            });
            Ok(())
        })
        .build(tauri::generate_context!())
        .map_err(|error| Failure::Failed(anyhow::Error::new(error)))?;
    app.run(|app, event| match event {
        // The last window is another process's; only a given code is the end.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        RunEvent::Exit => {
            if let Some(shell) = app.try_state::<Arc<Shell>>() {
                shell.window.close();
                shell.keeper.stop();
            }
        }
        _ => {}
    });
    Ok(())
}

fn said(failure: Failure) -> Box<dyn std::error::Error> {
    failure.to_string().into()
}

fn open(app: &AppHandle) {
    tell(app, RAISE);
}

fn tell(app: &AppHandle, line: &str) {
    let Some(shell) = app.try_state::<Arc<Shell>>() else { return };
    if let Err(failure) = shell.window.tell(line) {
        tracing::error!("the window can't be opened: {}", said(failure));
    }
}

fn toggle(app: &AppHandle) {
    let Some(shell) = app.try_state::<Arc<Shell>>() else { return };
    let mining = shell.face.lock().unwrap_or_else(PoisonError::into_inner).is_mining();
    let Ok(client) = shell.keeper.client() else { return };
    shell.keeper.runtime().spawn(async move {
        let done =
            if mining { client.pause_mining(&PauseRequest::default()).await } else { client.start_mining().await };
        if let Err(error) = done {
            tracing::error!("mining could not be switched: {error}");
        }
    });
}

/// Keeps the tray at what the node says, and the system's autostart at what the settings say.
async fn follow(app: AppHandle, keeper: Arc<Keeper>, tray: Option<Tray>) {
    let mut settings: Option<Settings> = None;
    loop {
        // Made anew each time: the node may be another one since, at another address.
        let Ok(client) = keeper.client() else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        let status = client.status().await.ok();
        let face = Face::of(status.as_ref());
        if let Some(shell) = app.try_state::<Arc<Shell>>() {
            let mut known = shell.face.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != face {
                if let Some(tray) = &tray
                    && let Err(error) = tray.show(&face)
                {
                    tracing::warn!("the tray shows something old: {error}");
                }
                *known = face;
            }
        }
        if let Ok(now) = client.settings().await {
            if settings.as_ref() != Some(&now) {
                autostart(&app, now.node.autostart);
            }
            settings = Some(now);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn autostart(app: &AppHandle, wanted: bool) {
    let launcher = app.autolaunch();
    if launcher.is_enabled().unwrap_or(!wanted) == wanted {
        return;
    }
    let done = if wanted { launcher.enable() } else { launcher.disable() };
    if let Err(error) = done {
        tracing::warn!("autostart could not be switched: {error}");
    }
}

/// Says once a day that there is a newer version, where this build knows a place for them.
async fn look_for_updates(app: AppHandle) {
    loop {
        tokio::time::sleep(FIRST_UPDATE_LOOK).await;
        match Source::find(None, None) {
            Ok(None) => return,
            Ok(Some(source)) => match newest(&source).await {
                Ok(Some(release)) => {
                    let title = format!("InferNet {} is there", release.version);
                    let body = "Install it with: infernet update --install";
                    if let Err(error) = app.notification().builder().title(title).body(body).show() {
                        tracing::debug!("a notification was not shown: {error}");
                    }
                }
                Ok(None) => {}
                Err(failure) => tracing::warn!("no news of updates: {failure}"),
            },
            Err(failure) => {
                tracing::warn!("no news of updates: {failure}");
                return;
            }
        }
        tokio::time::sleep(UPDATE_LOOK).await;
    }
}

/// Shows what is worth a notification.
async fn notify(app: AppHandle, keeper: Arc<Keeper>) {
    let mut notices = Notices::default();
    let mut starts = keeper.starts();
    let Ok(mut events) = keeper.client().map(|client| client.events(None)) else { return };
    loop {
        let update = tokio::select! {
            update = events.next() => update,
            Ok(()) = starts.changed() => {
                if let Ok(client) = keeper.client() {
                    events = client.events(None);
                }
                continue;
            }
        };
        let Update::Event(event) = update else { continue };
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        if let Some(notice) = notices.of(&event.kind, now_ms)
            && let Err(error) = app.notification().builder().title(notice.title).body(notice.body).show()
        {
            tracing::debug!("a notification was not shown: {error}");
        }
    }
}
