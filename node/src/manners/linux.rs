//! Linux: X11 (also what runs under it in a Wayland session), and the desktop's services on D-Bus.

use x11rb::connection::Connection;
use x11rb::protocol::screensaver::ConnectionExt as _;
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, Window};
use x11rb::rust_connection::RustConnection;

/// NetworkManager's words for `yes` and `probably yes`.
const METERED: [u32; 2] = [1, 3];
/// Programs of ours never pause us, whatever they fill.
const OWN_CLASS: &[u8] = b"infernet";

/// The session of the person before the screen, where there is one. Connections are kept, and made again after they broke.
#[derive(Default)]
pub(super) struct Session {
    display: Option<Display>,
    bus: Option<zbus::blocking::Connection>,
    system_bus: Option<zbus::blocking::Connection>,
}

struct Display {
    connection: RustConnection,
    root: Window,
    active: Atom,
    state: Atom,
    full: Atom,
}

impl Display {
    fn open(name: &str) -> Option<Self> {
        let (connection, screen) = x11rb::connect(Some(name)).ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        let atom = |name: &str| Some(connection.intern_atom(false, name.as_bytes()).ok()?.reply().ok()?.atom);
        let (active, state) = (atom("_NET_ACTIVE_WINDOW")?, atom("_NET_WM_STATE")?);
        let full = atom("_NET_WM_STATE_FULLSCREEN")?;
        Some(Self { connection, root, active, state, full })
    }

    /// Whether the window in front fills the screen; none where no window manager says which it is.
    fn full_screen(&self) -> Option<bool> {
        let get = |window: Window, what: Atom, kind: AtomEnum, length: u32| {
            self.connection.get_property(false, window, what, kind, 0, length).ok()?.reply().ok()
        };
        let window = get(self.root, self.active, AtomEnum::WINDOW, 1)?.value32()?.next()?;
        if window == x11rb::NONE {
            return Some(false);
        }
        let class = get(window, AtomEnum::WM_CLASS.into(), AtomEnum::STRING, 64)?.value.to_ascii_lowercase();
        if class.windows(OWN_CLASS.len()).any(|part| part == OWN_CLASS) {
            return Some(false);
        }
        // Most windows have no state at all.
        let state = get(window, self.state, AtomEnum::ATOM, 32)?;
        Some(state.value32().is_some_and(|mut all| all.any(|state| state == self.full)))
    }

    fn idle_secs(&self) -> Option<u64> {
        let info = self.connection.screensaver_query_info(self.root).ok()?.reply().ok()?;
        Some(u64::from(info.ms_since_user_input) / 1000)
    }
}

impl Session {
    fn display<T>(&mut self, ask: impl FnOnce(&Display) -> Option<T>) -> Option<T> {
        if self.display.is_none() {
            self.display = std::env::var("DISPLAY").ok().and_then(|name| Display::open(&name));
        }
        let answer = ask(self.display.as_ref()?);
        if answer.is_none() {
            // Gone, perhaps; the next look opens it again.
            self.display = None;
        }
        answer
    }

    /// Whether a program fills the screen.
    pub(super) fn full_screen(&mut self) -> Option<bool> {
        self.display(Display::full_screen)
    }

    /// Seconds since the last key or move.
    pub(super) fn idle_secs(&mut self) -> Option<u64> {
        // Under Wayland, X11 hears of input to its own windows only: the desktop knows better.
        self.desktop_idle_secs().or_else(|| self.display(Display::idle_secs))
    }

    fn desktop_idle_secs(&mut self) -> Option<u64> {
        std::env::var_os("WAYLAND_DISPLAY")?;
        if self.bus.is_none() {
            self.bus = zbus::blocking::Connection::session().ok();
        }
        let bus = self.bus.as_ref()?;
        let gnome = || {
            let (service, path) = ("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core");
            let answer = bus.call_method(Some(service), path, Some(service), "GetIdletime", &()).ok()?;
            Some(answer.body().deserialize::<u64>().ok()? / 1000)
        };
        let others = || {
            let (service, path) = ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver");
            let answer = bus.call_method(Some(service), path, Some(service), "GetSessionIdleTime", &()).ok()?;
            Some(u64::from(answer.body().deserialize::<u32>().ok()?) / 1000)
        };
        gnome().or_else(others)
    }

    /// Whether the connection is paid by volume, as NetworkManager knows it.
    pub(super) fn metered(&mut self) -> Option<bool> {
        if self.system_bus.is_none() {
            self.system_bus = zbus::blocking::Connection::system().ok();
        }
        let service = "org.freedesktop.NetworkManager";
        let answer = self.system_bus.as_ref()?.call_method(
            Some(service),
            "/org/freedesktop/NetworkManager",
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &(service, "Metered"),
        );
        let body = answer.ok()?.body();
        let value: zbus::zvariant::Value<'_> = body.deserialize().ok()?;
        u32::try_from(value).ok().map(|metered| METERED.contains(&metered))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use x11rb::protocol::xproto::{CreateWindowAux, PropMode, WindowClass};
    use x11rb::wrapper::ConnectionExt as _;

    use super::*;

    /// A display that nobody sees; none where no such server is installed.
    fn server() -> Option<(std::process::Child, String)> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
        Some((server, format!(":{}", number.trim())))
    }

    #[test]
    fn a_window_that_fills_the_screen_is_seen_unless_it_is_ours() {
        let Some((mut server, name)) = server() else {
            eprintln!("not tried: Xvfb is not installed");
            return;
        };
        let display = Display::open(&name).unwrap();
        assert_eq!(display.full_screen(), None, "no window manager says what is in front");
        assert!(display.idle_secs().is_some_and(|idle| idle < 3600));

        // What a window manager would do.
        let connection = &display.connection;
        let window = connection.generate_id().unwrap();
        let aux = CreateWindowAux::new();
        let depth = x11rb::COPY_DEPTH_FROM_PARENT;
        connection
            .create_window(depth, window, display.root, 0, 0, 64, 64, 0, WindowClass::INPUT_OUTPUT, 0, &aux)
            .unwrap();
        let set = |of: Window, what: Atom, kind: AtomEnum, value: u32| {
            connection.change_property32(PropMode::REPLACE, of, what, kind, &[value]).unwrap().check().unwrap();
        };
        let class = |name: &[u8]| {
            let kind = AtomEnum::STRING;
            connection
                .change_property8(PropMode::REPLACE, window, AtomEnum::WM_CLASS, kind, name)
                .unwrap()
                .check()
                .unwrap();
        };
        class(b"game\0Game\0");
        set(display.root, display.active, AtomEnum::WINDOW, window);
        assert_eq!(display.full_screen(), Some(false));
        set(window, display.state, AtomEnum::ATOM, display.full);
        assert_eq!(display.full_screen(), Some(true));
        class(b"infernet\0InferNet\0");
        assert_eq!(display.full_screen(), Some(false));
        set(display.root, display.active, AtomEnum::WINDOW, x11rb::NONE);
        assert_eq!(display.full_screen(), Some(false), "nothing is in front");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
