//! Somebody with a key, a file and a driver.

use std::path::Path;
use std::time::Duration;

use infernet_ledger::LedgerParameters;
use infernet_settlement::evm::{
    ChainAddress, ChainConfig, ContractRules, Driver, EvmAccount, EvmKey, EvmSettlement, Intent, IntentState, Store,
};

use crate::world::World;

pub(crate) const CONFIRMATIONS: u64 = 3;

pub(crate) fn config(world: &World, rpc: Vec<String>) -> ChainConfig {
    let address = ChainAddress { chain_id: 31_337, contract: world.at, rpc, from_block: 0 };
    ChainConfig { confirmations: CONFIRMATIONS, poll_secs: 0, replace_after_secs: 3_600, ..ChainConfig::new(address) }
}

pub(crate) struct Party {
    pub(crate) key: EvmKey,
    pub(crate) store: Store,
    pub(crate) driver: Driver,
    pub(crate) folder: tempfile::TempDir,
}

impl Party {
    pub(crate) fn new(world: &World, key: &EvmKey) -> Self {
        Self::with(world, key, config(world, vec![world.chain.url.clone()]))
    }

    pub(crate) fn with(world: &World, key: &EvmKey, config: ChainConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), world, key);
        let driver = Driver::new(config, key.clone(), store.clone()).unwrap();
        Self { key: key.clone(), store, driver, folder }
    }

    pub(crate) fn settlement(&self, world: &World) -> EvmSettlement {
        EvmSettlement::new(self.store.clone(), world.domain, self.key.clone(), LedgerParameters::default())
    }

    pub(crate) async fn rules(&self) -> ContractRules {
        self.driver.status().await.unwrap().rules
    }

    pub(crate) async fn account(&self, world: &World) -> EvmAccount {
        EvmAccount::new(self.store.clone(), world.domain, self.key.clone(), self.rules().await)
    }

    /// Rounds, each with a block, until everything in the outbox is over.
    pub(crate) async fn drive(&self, world: &World) {
        for _ in 0..60 {
            self.driver.round(now_ms()).await.unwrap();
            world.chain.mine(1).await;
            if self.store.intents(1_000).unwrap().iter().all(|intent| intent.state.over()) {
                // What the last blocks said counts now, too.
                world.chain.mine(CONFIRMATIONS).await;
                self.driver.round(now_ms()).await.unwrap();
                return;
            }
        }
        panic!("not over: {:?}", self.store.intents(9).unwrap());
    }

    pub(crate) fn intent(&self, name: &str) -> Intent {
        self.store.intent(name).unwrap().unwrap_or_else(|| panic!("no `{name}`"))
    }

    pub(crate) fn is(&self, name: &str, state: IntentState) {
        let intent = self.intent(name);
        assert_eq!(intent.state, state, "{intent:?}");
    }
}

pub(crate) fn open(folder: &Path, world: &World, key: &EvmKey) -> Store {
    Store::open(folder.join("chain.sqlite"), world.domain, key.address()).unwrap()
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.max(Duration::from_secs(1)).as_millis() as u64
}
