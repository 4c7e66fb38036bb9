//! The desktop as its user meets it, on a display that nobody sees: Start leads to a clip, and the window's end is not the node's.
//!
//! Pictures of every stage are left in the target directory, under `tmp/desktop`.
#![cfg(all(target_os = "linux", feature = "window"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that ends with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A display of its own with a data folder, and where the pictures go.
struct Desk {
    display: String,
    data: tempfile::TempDir,
    pictures: PathBuf,
    _server: Guard,
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

impl Desk {
    fn new() -> Self {
        // Chooses a free number itself and says it.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb; `tools/setup.sh test` installs it");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("desktop");
        std::fs::create_dir_all(&pictures).unwrap();
        let data = tempfile::tempdir().unwrap();
        Self { display: format!(":{}", number.trim()), data, pictures, _server: Guard(server) }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DISPLAY", &self.display)
            .env_remove("WAYLAND_DISPLAY")
            .env("INFERNET_DATA_DIR", self.data.path())
            .env("INFERNET_ASSETS_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"))
            .env("INFERNET_SKIP_WIZARD", "true")
            .stdin(Stdio::null());
        command
    }

    fn start(&self, words: &[&str]) -> Guard {
        Guard(self.command(env!("CARGO_BIN_EXE_infernet")).args(words).spawn().unwrap())
    }

    /// What a command says in JSON; nothing while the node is away.
    fn ask(&self, words: &[&str]) -> Option<Value> {
        let output = self.command(env!("CARGO_BIN_EXE_infernet")).args(words).arg("--json").output().unwrap();
        if output.status.success() { serde_json::from_slice(&output.stdout).ok() } else { None }
    }

    fn xdotool(&self, words: &[&str]) -> Option<String> {
        let output = self.command("xdotool").args(words).output().expect("xdotool; `tools/setup.sh test` installs it");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn window(&self) -> Option<String> {
        let found = self.xdotool(&["search", "--onlyvisible", "--name", "InferNet"])?;
        found.lines().last().map(str::to_owned)
    }

    /// Does what the palette offers under these words.
    fn choose(&self, words: &str) {
        // There is no window manager that would give the keyboard to a new window.
        let window = until("the window", || self.window());
        self.xdotool(&["windowfocus", "--sync", &window]).unwrap();
        for keys in [&["key", "ctrl+k"][..], &["type", words], &["key", "Return"]] {
            std::thread::sleep(Duration::from_secs(1));
            self.xdotool(keys).unwrap();
        }
    }

    /// Everything that runs on the data folder.
    fn processes(&self) -> Vec<String> {
        let folder = self.data.path().display().to_string();
        let output = Command::new("pgrep").args(["-f", "--", &folder]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    fn picture(&self, name: &str) {
        let file = self.pictures.join(name);
        let taken = self
            .command("ffmpeg")
            .args(["-loglevel", "error", "-y", "-f", "x11grab", "-video_size", "1280x800", "-i", &self.display])
            .args(["-frames:v", "1"])
            .arg(&file)
            .status()
            .unwrap();
        assert!(taken.success(), "{}", file.display());
    }
}

/// The dashboard's process, a child of the desktop's.
fn dashboard_of(desktop: &Guard) -> Option<String> {
    let output = Command::new("pgrep").args(["-P", &desktop.0.id().to_string(), "-f", "dashboard"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

#[test]
fn start_leads_to_a_clip_and_the_node_outlives_the_window() {
    let desk = Desk::new();
    let mut desktop = desk.start(&["desktop"]);
    let status = until("the node", || desk.ask(&["status"]));
    assert_eq!(status["mining"]["state"], "paused", "nothing is computed before Start: {status}");
    until("the window", || desk.window());
    std::thread::sleep(Duration::from_secs(3));
    desk.picture("1-new.png");

    desk.choose("Start mining");
    let job = until("a settled clip", || {
        let list = desk.ask(&["jobs"])?;
        list["jobs"].as_array()?.iter().find(|job| job["stage"] == "settled").cloned()
    });
    assert_eq!(job["part"], "requested", "{job}");
    desk.picture("2-settled.png");
    desk.choose("Studio");
    std::thread::sleep(Duration::from_secs(3));
    desk.picture("3-gallery.png");

    // The window dies, the node does not notice.
    signal("-KILL", &dashboard_of(&desktop).expect("a window's process"));
    until("the window's end", || desk.window().is_none().then_some(()));
    let status = desk.ask(&["status"]).expect("a node without a window");
    assert_eq!(status["mining"]["state"], "waiting", "{status}");

    // A second start brings a window back, and needs no second node.
    let second = desk.start(&["desktop"]);
    until("the window again", || desk.window());
    assert_eq!(desk.ask(&["status"]).unwrap()["started_unix_ms"], status["started_unix_ms"]);
    std::thread::sleep(Duration::from_secs(3));
    desk.picture("4-again.png");
    drop(second);

    signal("-TERM", &desktop.0.id().to_string());
    let end = until("the end of the desktop", || desktop.0.try_wait().unwrap());
    assert!(end.success(), "{end}");
    assert!(desk.ask(&["status"]).is_none(), "the node ended with it");
}

#[test]
fn a_link_asks_and_then_takes_the_node_to_its_network() {
    let desk = Desk::new();
    let friends = tempfile::tempdir().unwrap();
    let mut founder = desk.command(env!("CARGO_BIN_EXE_infernet"));
    let founder = founder
        .args(["node", "--found", "friends", "--loopback", "--json", "--api-listen", "127.0.0.1:0", "--data"])
        .arg(friends.path())
        .stdout(Stdio::piped());
    let mut founder = Guard(founder.spawn().unwrap());
    let said = BufReader::new(founder.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: String = said.take_while(|line| line != "}").collect();
    let link = said.split('"').find(|text| text.starts_with("infernet://join/")).expect("an invitation");

    // As a browser does it: the program and the link.
    let mut desktop = desk.start(&[link]);
    until("the node", || desk.ask(&["status"]));
    until("the window", || desk.window());
    std::thread::sleep(Duration::from_secs(4));
    desk.picture("5-invited.png");
    let status = desk.ask(&["status"]).unwrap();
    assert_eq!(status["network"]["name"], "home", "nothing happens before it is confirmed");

    // "Join it", where the picture has it.
    desk.xdotool(&["mousemove", "808", "469", "click", "1"]).unwrap();
    let joined = until("the other network", || {
        let status = desk.ask(&["status"])?;
        (status["network"]["name"] == "friends").then_some(status)
    });
    assert_eq!(joined["node_id"], status["node_id"], "the account is the same");
    until("the validator", || desk.ask(&["status"])?["network"]["validator_connected"].as_bool()?.then_some(()));
    until("the window again", || desk.window());
    std::thread::sleep(Duration::from_secs(3));
    desk.picture("6-joined.png");
    signal("-TERM", &desktop.0.id().to_string());
    assert!(until("the end of the desktop", || desktop.0.try_wait().unwrap()).success());
}

#[test]
fn a_node_that_was_killed_is_started_again_from_the_window() {
    let desk = Desk::new();
    let desktop = desk.start(&["desktop"]);
    // Ten credits for a newcomer, two of them staked.
    let staked = |status: &Value| status["balance_microcredits"] == 8_000_000;
    let before = until("the node and its stake", || desk.ask(&["status"]).filter(staked));
    until("the window", || desk.window());
    signal("-KILL", &desktop.0.id().to_string());
    until("the node's end", || desk.ask(&["status"]).is_none().then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    desk.picture("7-lost.png");
    assert!(desk.window().is_some(), "the window says so, and stays");

    desk.choose("Restart the node");
    let after = until("the node with its money", || desk.ask(&["status"]).filter(staked));
    assert_eq!(after["node_id"], before["node_id"]);
    std::thread::sleep(Duration::from_secs(3));
    desk.picture("8-restarted.png");
    // What the window started is nobody's child.
    for process in desk.processes() {
        let _ = Command::new("kill").args(["-TERM", &process]).status();
    }
    until("the end of all", || desk.processes().is_empty().then_some(()));
}
