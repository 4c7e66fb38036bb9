//! An anvil.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use alloy::network::Ethereum;
use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::{Provider as _, RootProvider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::{SolCall, SolInterface as _};
use infernet_settlement::evm::abi::InfernetSettlement::InfernetSettlementErrors;
use serde_json::{Value, json};

pub(crate) fn contracts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../contracts")
}

fn anvil() -> PathBuf {
    let folder = contracts().join("node_modules/@foundry-rs");
    let entries = std::fs::read_dir(&folder).expect("anvil is missing: run tools/setup.sh test");
    let name = if cfg!(windows) { "bin/anvil.exe" } else { "bin/anvil" };
    let mut found = entries.filter_map(Result::ok).map(|entry| entry.path().join(name)).filter(|path| path.exists());
    found.next().expect("anvil is missing: run tools/setup.sh test")
}

/// A chain that ends with its value.
pub(crate) struct Chain {
    child: Child,
    pub(crate) url: String,
    pub(crate) provider: RootProvider<Ethereum>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chain {
    /// On a port that the system chooses. It mines every transaction at once, unless it is told otherwise.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_at(0, arguments)
    }

    pub(crate) fn start_at(port: u16, arguments: &[&str]) -> Self {
        let mut child = Command::new(anvil())
            .args(["--port", &port.to_string(), "--hardfork", "cancun", "--order", "fifo"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("anvil ended").unwrap();
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{address}");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let provider = RootProvider::new_http(url.parse().unwrap());
        Self { child, url, provider }
    }

    pub(crate) async fn raw(&self, method: &'static str, parameters: Value) -> Value {
        let result: Result<Value, _> = self.provider.raw_request(method.into(), parameters).await;
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        self.raw("anvil_mine", json!([format!("0x{blocks:x}")])).await;
    }

    /// Moves the clock on and makes a block.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.raw("evm_increaseTime", json!([seconds])).await;
        self.mine(1).await;
    }

    pub(crate) async fn automine(&self, on: bool) {
        self.raw("evm_setAutomine", json!([on])).await;
    }

    pub(crate) async fn snapshot(&self) -> Value {
        self.raw("evm_snapshot", json!([])).await
    }

    pub(crate) async fn revert(&self, snapshot: &Value) {
        assert_eq!(self.raw("evm_revert", json!([snapshot])).await, json!(true));
    }

    pub(crate) async fn now(&self) -> u64 {
        let block = self.provider.get_block_by_number(alloy::eips::BlockNumberOrTag::Latest).await.unwrap().unwrap();
        block.header.timestamp
    }

    pub(crate) async fn height(&self) -> u64 {
        self.provider.get_block_number().await.unwrap()
    }

    pub(crate) async fn fund(&self, account: Address) {
        self.raw("anvil_setBalance", json!([account, "0x3635c9adc5dea00000"])).await;
    }

    /// A new contract, made by an account that anvil plays.
    pub(crate) async fn create(&self, artefact: &str, arguments: &[u8]) -> Result<Address, String> {
        let path = contracts().join(format!("artifacts/{artefact}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        let artefact: Value = serde_json::from_str(&text).unwrap();
        let mut code = alloy::hex::decode(artefact["bytecode"].as_str().unwrap()).unwrap();
        code.extend_from_slice(arguments);
        let from = Address::repeat_byte(0xd0);
        self.raw("anvil_impersonateAccount", json!([from])).await;
        self.fund(from).await;
        let mut request = TransactionRequest::default().from(from).input(code.into()).gas_limit(20_000_000);
        request.to = Some(alloy::primitives::TxKind::Create);
        let receipt = self.send_request(request).await?;
        Ok(receipt.contract_address.unwrap())
    }

    /// Calls as an account; an error is the name of the contract's error.
    pub(crate) async fn send(
        &self,
        from: Address,
        to: Address,
        call: &impl SolCall,
    ) -> Result<TransactionReceipt, String> {
        self.send_data(from, to, call.abi_encode().into()).await
    }

    pub(crate) async fn send_data(
        &self,
        from: Address,
        to: Address,
        data: Bytes,
    ) -> Result<TransactionReceipt, String> {
        // Anvil signs for whom it impersonates: these accounts are ours, and what the contract sees is the same.
        self.raw("anvil_impersonateAccount", json!([from])).await;
        self.fund(from).await;
        self.send_request(TransactionRequest::default().from(from).to(to).input(data.into())).await
    }

    async fn send_request(&self, request: TransactionRequest) -> Result<TransactionReceipt, String> {
        // Estimating finds the reason of a revert; the real one is sent only when there is none.
        let mut request = request;
        match self.provider.estimate_gas(request.clone()).await {
            Ok(gas) => request.gas = Some(gas + gas / 4),
            Err(error) => {
                let data = error
                    .as_error_resp()
                    .and_then(alloy::rpc::json_rpc::ErrorPayload::as_revert_data)
                    .unwrap_or_default();
                let name = InfernetSettlementErrors::abi_decode(&data).map(|error| format!("{error:?}"));
                let name = name.ok().and_then(|text| text.split('(').next().map(str::to_owned));
                return Err(name.unwrap_or_else(|| error.to_string()));
            }
        }
        let result: Result<alloy::primitives::B256, _> =
            self.provider.raw_request("eth_sendTransaction".into(), (request,)).await;
        let hash = result.map_err(|error| error.to_string())?;
        for _ in 0..1000 {
            if let Some(receipt) = self.provider.get_transaction_receipt(hash).await.unwrap() {
                assert!(receipt.status(), "{hash} reverted although its estimate did not");
                return Ok(receipt);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{hash} is not mined");
    }

    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let request = TransactionRequest::default().to(to).input(call.abi_encode().into());
        let bytes = self.provider.call(request).await.unwrap();
        C::abi_decode_returns(&bytes).unwrap()
    }
}

pub(crate) fn u(value: u64) -> U256 {
    U256::from(value)
}
