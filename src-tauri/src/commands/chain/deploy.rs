//! Choosing a contract, or making one.

use std::time::Duration;

use infernet_settlement::evm::{
    Address, ChainAddress, ChainConfig, Deployment, Domain, Driver, Terms, deploy, deployment_domain,
};

use super::{failed, files};
use crate::cli::{ChainFiles, DeployArgs, UseArgs};
use crate::failure::{Failure, Result};
use crate::output;

/// The contract is asked for its rules before it is used.
pub(super) async fn use_contract(arguments: &UseArgs) -> Result {
    let &UseArgs { chain_id, contract, ref rpc, from_block, confirmations, files: ref place } = arguments;
    let address = ChainAddress { chain_id, contract, rpc: rpc.clone(), from_block };
    chosen(place, ChainConfig { confirmations, ..ChainConfig::new(address) }).await
}

async fn chosen(place: &ChainFiles, config: ChainConfig) -> Result {
    config.check().map_err(|error| failed(&error))?;
    let key = files::key(place)?;
    let domain = Domain { chain_id: config.address.chain_id, contract: config.address.contract };
    let store = files::store(&files::folder(place)?, domain, &key)?;
    let driver = Driver::new(config.clone(), key, store).map_err(|error| failed(&error))?;
    driver.status().await.map_err(|error| failed(&error))?;
    let path = files::save(place, &config)?;
    if place.json {
        return output::json(&config);
    }
    output::line(&format!("using {} on chain {} ({})", domain.contract, domain.chain_id, path.display()))
}

pub(super) async fn deploy_contract(arguments: &DeployArgs) -> Result {
    let place = &arguments.send.files;
    let terms = match &arguments.terms {
        None => Terms::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::input(format!("can't read {}: {error}", path.display())))?;
            serde_json::from_str(&text)
                .map_err(|error| Failure::input(format!("{} holds no rules: {error}", path.display())))?
        }
    };
    let key = files::key(place)?;
    // Not zero, which stands for no contract, and replaced by the real one.
    let contract = Address::repeat_byte(1);
    let address = ChainAddress { chain_id: arguments.chain_id, contract, rpc: arguments.rpc.clone(), from_block: 0 };
    let config = ChainConfig { confirmations: arguments.confirmations, ..ChainConfig::new(address) };
    config.check().map_err(|error| failed(&error))?;
    let store = files::store(&files::folder(place)?, deployment_domain(arguments.chain_id), &key)?;
    let deployment = Deployment { token: arguments.token, validators: arguments.validators.clone(), terms };
    // The same arguments again are the same contract, unless a reference says otherwise.
    let reference = arguments.send.reference.as_deref().unwrap_or("first");
    let (now_ms, patience) = (super::send::now_ms(), Duration::from_secs(arguments.send.wait));
    let address = deploy(&config, &key, &store, &deployment, reference, now_ms, patience)
        .await
        .map_err(|error| failed(&error))?;
    chosen(place, ChainConfig { address, ..config }).await
}
