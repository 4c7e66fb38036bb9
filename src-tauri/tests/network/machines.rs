//! Separate machines: network namespaces with addresses of their own, a cable that is pulled, NATs with a relay between them. Needs
//! root and Linux.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use infernet_network::wire::Invitation;
use serde_json::Value;

use crate::world::{Network, PATIENCE, Process, program};

/// Namespaces that are gone at the end.
struct Machines {
    prefix: String,
    names: Vec<String>,
}

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split_whitespace()).output();
    output.is_ok_and(|output| output.status.success())
}

impl Machines {
    /// With a switch named `public` that [`plug`](Self::plug) connects to; none without the rights to make them.
    fn new() -> Option<Self> {
        // Interface names have at most 15 characters.
        let mut machines = Self { prefix: format!("in{}", std::process::id()), names: Vec::new() };
        if !machines.add("switch") {
            eprintln!("not tried: no network namespaces can be made here");
            return None;
        }
        assert!(
            machines.ip_in("switch", "link add public type bridge") && machines.ip_in("switch", "link set public up")
        );
        Some(machines)
    }

    fn name(&self, machine: &str) -> String {
        format!("{}{machine}", self.prefix)
    }

    fn add(&mut self, machine: &str) -> bool {
        let name = self.name(machine);
        self.names.push(name.clone());
        ip(&format!("netns add {name}")) && self.ip_in(machine, "link set lo up")
    }

    fn ip_in(&self, machine: &str, arguments: &str) -> bool {
        ip(&format!("-n {} {arguments}", self.name(machine)))
    }

    /// A cable from a machine to a switch in `at`.
    fn plug(&self, machine: &str, interface: &str, address: &str, at: (&str, &str)) {
        let (own, switch) = (self.name(machine), self.name(at.0));
        let there = format!("to-{machine}");
        assert!(ip(&format!("link add {interface} netns {own} type veth peer name {there} netns {switch}")));
        assert!(self.ip_in(at.0, &format!("link set {there} master {} up", at.1)));
        assert!(self.ip_in(machine, &format!("addr add {address} dev {interface}")));
        assert!(self.ip_in(machine, &format!("link set {interface} up")));
    }

    /// A machine on the public switch.
    fn public(&mut self, machine: &str, address: &str) {
        assert!(self.add(machine));
        self.plug(machine, "eth0", &format!("{address}/24"), ("switch", "public"));
    }

    /// A machine behind a router of its own, as at home: connections go out only.
    fn behind_nat(&mut self, machine: &str, router: &str, public: &str, private: &str) {
        self.public(router, public);
        assert!(self.add(machine));
        let gateway = format!("{private}.1");
        assert!(self.ip_in(router, "link add lan type bridge") && self.ip_in(router, "link set lan up"));
        assert!(self.ip_in(router, &format!("addr add {gateway}/24 dev lan")));
        self.plug(machine, "eth0", &format!("{private}.2/24"), (router, "lan"));
        assert!(self.ip_in(machine, &format!("route add default via {gateway}")));
        let rules = "add table ip nat
            add chain ip nat post { type nat hook postrouting priority 100; }
            add rule ip nat post oifname eth0 masquerade
            add table ip filter
            add chain ip filter forward { type filter hook forward priority 0; policy drop; }
            add rule ip filter forward iifname lan accept
            add rule ip filter forward ct state established,related accept";
        let script = format!("echo 1 > /proc/sys/net/ipv4/ip_forward && nft '{}'", rules.replace('\n', ";"));
        let done = self.command(router, "sh").args(["-c", &script]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn command(&self, machine: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(machine), program]);
        command
    }

    fn infernet(&self, machine: &str) -> Command {
        let inner = program();
        let mut command = self.command(machine, inner.get_program().to_str().unwrap());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    fn node(&self, machine: &str, folder: &Path, options: &[&str]) -> Process {
        Process::spawn(self.infernet(machine), folder, options)
    }

    /// A command that asks the node of a machine.
    fn ask(&self, machine: &str, node: &Process, arguments: &[&str]) -> Result<Value, String> {
        let output = self
            .infernet(machine)
            .args(arguments)
            .args(["--json", "--url", node.up["api"].as_str().unwrap()])
            .args(["--token-file", node.up["token_file"].as_str().unwrap()])
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Orders a clip and returns its job.
    fn order(&self, machine: &str, node: &Process, steps: &str) -> String {
        let start = Instant::now();
        loop {
            match self.ask(machine, node, &["submit", "a red circle moving right", "--steps", steps, "--frames", "8"]) {
                Ok(job) => return job["id"].as_str().unwrap().to_owned(),
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Waits for a stage of a job.
    fn until(&self, machine: &str, node: &Process, job: &str, stage: &str) {
        let start = Instant::now();
        loop {
            let found = self.ask(machine, node, &["jobs", job]).unwrap();
            if found["stage"] == stage {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{job} is {}", found["stage"]);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

#[test]
fn machines_with_addresses_of_their_own_and_a_cable_that_is_pulled() {
    let Some(mut machines) = Machines::new() else { return };
    let network = Network::new();
    for (machine, address) in [("v", "10.88.0.1"), ("m", "10.88.0.2"), ("q", "10.88.0.3")] {
        machines.public(machine, address);
    }
    let listen = "/ip4/10.88.0.1/tcp/4001";
    let validator = machines.node(
        "v",
        &network.path("validator"),
        &["--found", "test", "--roles", "validator", "--listen", listen],
    );
    let invitation = validator.invitation().to_owned();
    assert!(Invitation::parse(&invitation).unwrap().bootstrap.iter().any(|address| address.starts_with(listen)));
    let miner = machines.node("m", &network.path("miner"), &["--join", &invitation, "--roles", "miner"]);
    let requester = machines.node("q", &network.path("requester"), &["--join", &invitation, "--roles", "requester"]);
    let job = machines.order("q", &requester, "8");
    machines.until("q", &requester, &job, "settled");
    network.check_books();

    // The miner's cable, in the middle of a run, for as long as it takes both sides to notice.
    let job = machines.order("q", &requester, "60");
    machines.until("q", &requester, &job, "running");
    assert!(machines.ip_in("m", "link set eth0 down"));
    std::thread::sleep(Duration::from_secs(25));
    assert!(machines.ip_in("m", "link set eth0 up"));
    machines.until("q", &requester, &job, "settled");
    network.check_books();
    drop((miner, validator));
}

#[test]
fn two_homes_behind_nats_meet_over_a_relay() {
    let Some(mut machines) = Machines::new() else { return };
    if Command::new("nft").arg("--version").output().is_err() {
        eprintln!("not tried: nft is not here");
        return;
    }
    let network = Network::new();
    machines.public("r", "10.88.0.9");
    machines.behind_nat("v", "nv", "10.88.0.11", "192.168.1");
    machines.behind_nat("m", "nm", "10.88.0.12", "192.168.2");
    // The founder's invitation first: a relay belongs to a network, too.
    let founder = ["--found", "test", "--roles", "validator,requester"];
    let (validator_folder, relay_folder) = (network.path("validator"), network.path("relay"));
    let before = machines.node("v", &validator_folder, &founder);
    let invitation = before.invitation().to_owned();
    before.kill();
    let listen = "/ip4/10.88.0.9/tcp/4001";
    let options = ["--join", &invitation, "--roles", "requester", "--relay", "--listen", listen, "--external", listen];
    let relay = machines.node("r", &relay_folder, &options);
    let relay_address = relay.up["addresses"][0].as_str().unwrap().to_owned();
    let validator = machines.node("v", &validator_folder, &[&founder[..], &["--peer", &relay_address]].concat());

    // Nobody from outside gets in; after a while it asks the relay for a place.
    let start = Instant::now();
    let link = loop {
        let link = machines.ask("v", &validator, &["invite"]).unwrap();
        if link["addresses"].as_array().unwrap().iter().any(|address| address.as_str().unwrap().contains("p2p-circuit"))
        {
            break link["uri"].as_str().unwrap().to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "{link}");
        std::thread::sleep(Duration::from_millis(500));
    };
    let status = machines.ask("v", &validator, &["status"]).unwrap();
    assert_eq!(status["reachability"]["state"], "relayed", "{status}");
    let miner = machines.node("m", &network.path("miner"), &["--join", &link, "--roles", "miner"]);
    let job = machines.order("v", &validator, "8");
    machines.until("v", &validator, &job, "settled");
    network.check_books();
    let peers = machines.ask("m", &miner, &["peers"]).unwrap();
    let to_validator =
        peers["peers"].as_array().unwrap().iter().find(|peer| peer["id"] == validator.up["node"]).unwrap();
    eprintln!(
        "the miner is connected to the validator: {} over {}",
        to_validator["connection"], to_validator["address"]
    );
    drop(relay);
}
