//! A network of real processes that settles by a contract on an anvil of its own. Blocks are made when the test says so.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use infernet_network::identity::Keeper;
use infernet_settlement::evm::{
    Address, ChainAddress, ChainConfig, ChainEvent, Deployment, Domain, Driver, EvmKey, Intent, Store, Terms, deploy,
    deployment_domain, testnet,
};
use serde_json::Value;

use crate::world::{PROGRAM, Process, program};

const PATIENCE: Duration = Duration::from_secs(60);
/// Tokens of everyone, and the bond of a validator, in micro-credits.
pub(crate) const TOKENS: u64 = 50_000_000;
pub(crate) const BOND: u64 = 5_000_000;
pub(crate) const CONFIRMATIONS: u64 = 2;
/// Who has an account; the first three are the contract's validators.
pub(crate) const ACTORS: [&str; 6] = ["validator", "member", "absent", "miner", "requester", "other"];

/// Where npm has put anvil; none where it can't be had.
fn anvil() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules/@foundry-rs");
    let found = std::fs::read_dir(folder).ok().and_then(|packages| {
        packages.flatten().map(|package| package.path().join("bin/anvil")).find(|program| program.is_file())
    });
    if found.is_none() {
        eprintln!("not tried: anvil is not in contracts/node_modules; tools/setup.sh test installs it");
    }
    found
}

/// Whether there can be a chain here.
pub(crate) fn has_anvil() -> bool {
    anvil().is_some()
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

struct Anvil(Child);

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct ChainWorld {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: ChainConfig,
    /// Whether blocks are made.
    mining: Arc<AtomicBool>,
    maker: tokio::task::JoinHandle<()>,
    watch: Driver,
    _anvil: Anvil,
}

impl Drop for ChainWorld {
    fn drop(&mut self) {
        self.maker.abort();
    }
}

impl ChainWorld {
    /// A chain with token and contract; everyone has an identity, gas and tokens; validators have their bonds. None without anvil.
    pub(crate) async fn start(terms: Terms) -> Option<Self> {
        let mut child = Command::new(anvil()?)
            .args(["--port", "0", "--hardfork", "cancun", "--no-mining"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let anvil = Anvil(child);
        let at = lines.find_map(|line| line.unwrap().strip_prefix("Listening on ").map(str::to_owned)).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let folder = tempfile::tempdir().unwrap();
        let address = ChainAddress {
            chain_id: 31_337,
            contract: Address::repeat_byte(1),
            rpc: vec![format!("http://{at}")],
            from_block: 0,
        };
        let config = ChainConfig { confirmations: CONFIRMATIONS, poll_secs: 1, ..ChainConfig::new(address) };
        let keys: Vec<EvmKey> = ACTORS.iter().map(|name| identity(&folder.path().join(name))).collect();
        let deployer = EvmKey::derive(&[9; 32]);
        let mut accounts: Vec<Address> = keys.iter().map(EvmKey::address).collect();
        accounts.push(deployer.address());
        testnet::fund_gas(&config, &accounts).await.unwrap();
        let mining = Arc::new(AtomicBool::new(true));
        let maker = tokio::spawn({
            let (config, mining) = (config.clone(), Arc::clone(&mining));
            async move {
                loop {
                    if mining.load(Ordering::SeqCst) {
                        testnet::mine(&config, 1).await.unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        });
        let store =
            Store::open(folder.path().join("deployment"), deployment_domain(31_337), deployer.address()).unwrap();
        let token = testnet::deploy_token(&config, &deployer, &store, now_ms(), PATIENCE).await.unwrap();
        let deployment = Deployment { token, validators: accounts[..3].to_vec(), terms };
        let address = deploy(&config, &deployer, &store, &deployment, "contract", now_ms(), PATIENCE).await.unwrap();
        let config = ChainConfig { address, ..config };
        let domain = Domain { chain_id: 31_337, contract: config.address.contract };
        let store = Store::open(folder.path().join("watch"), domain, deployer.address()).unwrap();
        let watch = Driver::new(config.clone(), deployer, store).unwrap();
        let amounts: Vec<(Address, u64)> = keys.iter().map(|key| (key.address(), TOKENS)).collect();
        testnet::mint(&watch, token, &amounts, now_ms(), PATIENCE).await.unwrap();
        let world = Self { folder, config, mining, maker, watch, _anvil: anvil };
        for name in ACTORS {
            let text = serde_json::to_string(&world.config).unwrap();
            std::fs::write(world.path(name).join("chain.json"), text).unwrap();
        }
        for name in &ACTORS[..3] {
            world.chain(name, &["bond", &BOND.to_string(), "--reference", "first"]).await;
        }
        Some(world)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn address(&self, name: &str) -> Address {
        identity(&self.path(name)).address()
    }

    /// Blocks are made from now on, or no longer.
    pub(crate) fn mine(&self, on: bool) {
        self.mining.store(on, Ordering::SeqCst);
    }

    /// A command of somebody's; blocks go on meanwhile.
    pub(crate) async fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = program();
        command.args(arguments).env("INFERNET_DATA_DIR", self.path(name));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// `infernet chain`, which must succeed.
    pub(crate) async fn chain(&self, name: &str, arguments: &[&str]) -> Value {
        let output = self.try_chain(name, arguments).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    pub(crate) async fn try_chain(&self, name: &str, arguments: &[&str]) -> Output {
        let folder = self.path(name).display().to_string();
        self.run(name, &[&["chain"], arguments, &["--json", "--data", &folder]].concat()).await
    }

    /// A command that asks somebody's node, which must succeed.
    pub(crate) async fn ask(&self, name: &str, arguments: &[&str]) -> Value {
        let output = self.run(name, &[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// A node in somebody's folder.
    pub(crate) fn node(&self, name: &str, options: &[&str]) -> Process {
        let mut command = Command::new(PROGRAM);
        command.env("INFERNET_ASSETS_DIR", crate::world::ASSETS);
        Process::spawn(command, &self.path(name), &[&["--loopback"], options].concat())
    }

    pub(crate) fn validator(&self, listen: &str) -> Process {
        self.node("validator", &["--found", "chained", "--chain", "--roles", "validator", "--listen", listen])
    }

    /// Transactions that somebody's outbox knows.
    pub(crate) fn outbox(&self, name: &str) -> Vec<Intent> {
        let key = identity(&self.path(name));
        let domain = self.watch.domain();
        let path = self.path(name).join("chain").join(Store::file_name(domain, key.address()));
        Store::open(path, domain, key.address()).unwrap().intents(1_000).unwrap()
    }

    /// What the contract has said, in blocks that count.
    pub(crate) async fn events(&self) -> Vec<ChainEvent> {
        self.watch.round(now_ms()).await.unwrap();
        self.watch.store().events_from(0).unwrap()
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.watch
    }
}

fn identity(folder: &Path) -> EvmKey {
    std::fs::create_dir_all(folder).unwrap();
    let keeper = Keeper::PlainFile { path: folder.join("identity.key") };
    EvmKey::derive(&keeper.load_or_create().unwrap().0.signing_key().to_bytes())
}
