//! What a development chain (anvil) gives away: a token that anyone may make, and gas. Real chains refuse both.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use alloy::sol;
use alloy::sol_types::SolCall as _;

use super::config::ChainConfig;
use super::deploy::create;
use super::driver::Driver;
use super::key::EvmKey;
use super::rpc::Rpc;
use super::store::Store;
use crate::error::SettlementError;

sol! {
    #[allow(missing_docs, clippy::pedantic)]
    TestCredit,
    "../contracts/artifacts/TestCredit.json"
}

/// Gas that an account is given, in wei: a thousand ether.
const GAS_WEI: u128 = 1_000_000_000_000_000_000_000;

/// Deploys the token of no worth that comes with the contract. `store` as for [`deploy`](super::deploy).
///
/// # Errors
/// As for [`deploy`](super::deploy).
pub async fn deploy_token(
    config: &ChainConfig,
    key: &EvmKey,
    store: &Store,
    now_ms: u64,
    patience: Duration,
) -> Result<Address, SettlementError> {
    let code = TestCredit::BYTECODE.to_vec();
    create(config, key, store, code, "token", now_ms, patience).await.map(|(token, _)| token)
}

/// Gives accounts gas, as only development chains do.
///
/// # Errors
/// The chain is none, or no endpoint answers.
pub async fn fund_gas(config: &ChainConfig, accounts: &[Address]) -> Result<(), SettlementError> {
    let rpc = Rpc::new(&config.address)?;
    for &account in accounts {
        let parameters = (account, U256::from(GAS_WEI));
        rpc.call("anvil_setBalance", |provider| async move {
            provider.raw_request::<_, Option<bool>>("anvil_setBalance".into(), parameters).await
        })
        .await?;
    }
    Ok(())
}

/// Makes blocks, as only development chains do when they are asked.
///
/// # Errors
/// The chain is none, or no endpoint answers.
pub async fn mine(config: &ChainConfig, blocks: u64) -> Result<(), SettlementError> {
    let rpc = Rpc::new(&config.address)?;
    rpc.call("anvil_mine", |provider| async move {
        provider.raw_request::<_, Option<bool>>("anvil_mine".into(), (U256::from(blocks),)).await
    })
    .await
    .map(drop)
}

/// How many transactions an account has made, those that wait for a block left out.
///
/// # Errors
/// No endpoint answers.
pub async fn transactions_of(config: &ChainConfig, account: Address) -> Result<u64, SettlementError> {
    let rpc = Rpc::new(&config.address)?;
    rpc.call("eth_getTransactionCount", |provider| async move { provider.get_transaction_count(account).await }).await
}

/// Makes tokens for accounts and waits until all have them. `store` and `key` are those of any account with gas.
///
/// # Errors
/// The token is none that anyone may make, or no endpoint answers until `patience` is over.
pub async fn mint(
    driver: &Driver,
    token: Address,
    amounts: &[(Address, u64)],
    now_ms: u64,
    patience: Duration,
) -> Result<(), SettlementError> {
    let call = |&(to, amount): &(Address, u64)| {
        let call = TestCredit::mintCall { to, amount: U256::from(amount) }.abi_encode();
        (format!("mint for {to}"), token, call)
    };
    let calls: Vec<_> = amounts.iter().map(call).collect();
    driver.store().enqueue(&calls, now_ms)?;
    for (name, ..) in &calls {
        driver.complete(name, patience).await?;
    }
    Ok(())
}
