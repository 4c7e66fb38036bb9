//! What computers and networks do: wrong clocks, silence, full disks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use infernet_network::wire::JobStage;

use crate::world::{ASSETS, Network, PROGRAM, Process, order, program, settled, small_job, stage, until};

/// libfaketime, which shifts the clock of one process and its children; Debian: `faketime`.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ten_minutes_off_costs_nothing() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("not tried: {FAKETIME} is not here");
        return;
    }
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let (node, requester) = network.requester(&invitation);
    for (name, offset) in [("behind", "-600"), ("ahead", "+600")] {
        let mut command = program();
        command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let options = ["--loopback", "--join", &invitation, "--roles", "miner,requester"];
        let miner = Process::spawn(command, &network.path(name), &options);
        let id = order(&requester, &small_job(8)).await;
        settled(&requester, id).await;
        network.check_paid_once(id);

        // Its own order is taken too, with less time than its clock is off.
        let submitted = program()
            .args(["submit", "a blue star", "--steps", "8", "--frames", "8", "--deadline", "120", "--json", "--url"])
            .arg(miner.up["api"].as_str().unwrap())
            .arg("--token-file")
            .arg(miner.up["token_file"].as_str().unwrap())
            .output()
            .unwrap();
        assert!(submitted.status.success(), "{}", String::from_utf8_lossy(&submitted.stderr));
        until("the payment", || network.journal().unwrap().ledger().totals().escrow == 0).await;
        network.check_books();
        miner.kill();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_that_falls_silent_and_wakes_up_harms_nobody() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let sleeper = network.miner("sleeper", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(40)).await;
    until("the run", || stage(&requester, id) == JobStage::Running).await;
    // As a laptop whose lid is closed, or a cut cable: no goodbye.
    sleeper.signal("STOP");
    tokio::time::sleep(Duration::from_secs(20)).await;
    sleeper.signal("CONT");
    settled(&requester, id).await;
    network.check_paid_once(id);
    node.stop().await;
}

/// A small file system of its own, gone at the end. Needs root.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(place))
    }

    /// Takes all room but this.
    fn fill(&self, but: u64) {
        let output = Command::new("df").args(["--output=avail", "-B1"]).arg(self.0).output().unwrap();
        let free: u64 = String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap();
        std::fs::write(self.0.join("filler"), vec![0; usize::try_from(free.saturating_sub(but)).unwrap()]).unwrap();
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disks_stop_what_they_must_and_no_credit_is_lost() {
    let network = Network::new();
    let (validator_place, miner_place) = (network.path("validator"), network.path("miner"));
    let (Some(validator_disk), Some(miner_disk)) =
        (SmallDisk::mount(&validator_place, "64m"), SmallDisk::mount(&miner_place, "64m"))
    else {
        eprintln!("not tried: no file system can be mounted here");
        return;
    };
    // Otherwise it pauses before the disk is full.
    std::fs::write(miner_place.join("settings.toml"), "version = 1\n[mining]\nkeep_disk_free_bytes = 0\n").unwrap();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(8)).await;
    settled(&requester, id).await;

    // No room for the record of a run: the job goes to another miner.
    miner_disk.fill(256 << 10);
    let id = order(&requester, &small_job(8)).await;
    until("the failed attempt", || requester.orders()[&id].state.attempt >= 1).await;
    let other = network.miner("other", &invitation);
    settled(&requester, id).await;
    network.check_paid_once(id);
    miner_disk.clear();

    // No room at the validator: jobs wait, or are refused, until there is.
    validator_disk.fill(16 << 10);
    let refused = requester.order(&small_job(8)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    validator_disk.clear();
    if let Ok(id) = refused {
        until("the end", || requester.orders()[&id].state.is_over()).await;
    }
    let id = order(&requester, &small_job(8)).await;
    settled(&requester, id).await;
    network.check_paid_once(id);
    node.stop().await;
    drop((other, miner, validator));
    assert!(Path::new(ASSETS).is_dir() && Path::new(PROGRAM).is_file());
}
