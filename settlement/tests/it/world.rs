//! A chain with a token, the contract, four validators, miners and requesters.

use alloy::primitives::{Address, B256, Bytes};
use infernet_settlement::evm::abi::InfernetSettlement as C;
use infernet_settlement::evm::abi::Token;
use infernet_settlement::evm::message::{Acceptance, Domain, in_order, job_key};
use infernet_settlement::evm::{Deployment, EvmKey, Judgement, Scored, Terms, creation_code};

use crate::chain::{Chain, u};

alloy::sol! {
    /// The tokens of the tests.
    interface TestToken {
        function mint(address to, uint256 amount) external;
        function totalSupply() external view returns (uint256);
    }
}

pub(crate) const DAY: u64 = 86_400;
pub(crate) const FEE: u64 = 9_000;
pub(crate) const STAKE: u64 = 20_000;
pub(crate) const DEPOSIT: u64 = 15_000;

pub(crate) fn terms() -> Terms {
    Terms {
        challenge_secs: DAY,
        answer_secs: DAY / 2,
        most_job_secs: 7 * DAY,
        validator_bond: 50_000,
        silence_penalty: 3_000,
        contest_bond: 700,
        ..Terms::default()
    }
}

pub(crate) fn key(group: u8, number: u8) -> EvmKey {
    let mut seed = [group; 32];
    seed[31] = number;
    EvmKey::derive(&seed)
}

pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) token: Address,
    pub(crate) at: Address,
    pub(crate) domain: Domain,
    pub(crate) validators: Vec<EvmKey>,
    pub(crate) miners: Vec<EvmKey>,
    pub(crate) requesters: Vec<EvmKey>,
    jobs: std::cell::Cell<u8>,
}

pub(crate) const START: u64 = 1_000_000;

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("TestCredit", terms(), &[]).await
    }

    pub(crate) async fn with(token: &str, terms: Terms, arguments: &[&str]) -> Self {
        let chain = Chain::start(arguments);
        let token = chain.create(token, &[]).await.unwrap();
        let validators: Vec<EvmKey> = (0..4).map(|n| key(1, n)).collect();
        let deployment = Deployment { token, validators: validators.iter().map(EvmKey::address).collect(), terms };
        let code = creation_code(&deployment);
        let artefact_bytes = C::BYTECODE.len();
        let at = chain.create("InfernetSettlement", &code[artefact_bytes..]).await.unwrap();
        let world = Self {
            domain: Domain { chain_id: 31_337, contract: at },
            chain,
            token,
            at,
            validators,
            miners: (0..4).map(|n| key(2, n)).collect(),
            requesters: (0..3).map(|n| key(3, n)).collect(),
            jobs: 0.into(),
        };
        for account in world.everyone() {
            world.mint(account, START).await;
        }
        for validator in world.validators.clone() {
            world.ok(&validator, &C::bondCall { amount: terms.validator_bond }).await;
        }
        world
    }

    pub(crate) fn everyone(&self) -> Vec<Address> {
        [&self.validators, &self.miners, &self.requesters].into_iter().flatten().map(EvmKey::address).collect()
    }

    /// Tokens, and the word that the contract may take them.
    pub(crate) async fn mint(&self, to: Address, amount: u64) {
        self.chain.send(to, self.token, &TestToken::mintCall { to, amount: u(amount) }).await.unwrap();
        let approve = Token::approveCall { spender: self.at, amount: alloy::primitives::U256::MAX };
        self.chain.send(to, self.token, &approve).await.unwrap();
    }

    pub(crate) async fn try_as(&self, from: Address, call: &impl alloy::sol_types::SolCall) -> Result<u64, String> {
        self.chain.send(from, self.at, call).await.map(|receipt| receipt.gas_used)
    }

    pub(crate) async fn ok(&self, from: &EvmKey, call: &impl alloy::sol_types::SolCall) -> u64 {
        self.try_as(from.address(), call).await.unwrap()
    }

    pub(crate) async fn no(&self, from: &EvmKey, call: &impl alloy::sol_types::SolCall, error: &str) {
        assert_eq!(self.try_as(from.address(), call).await.unwrap_err(), error);
    }

    /// Brings a judgement with the signatures of these validators.
    pub(crate) async fn judge(&self, judgement: &Judgement, signers: &[&EvmKey]) -> Result<u64, String> {
        let data = judgement.calldata(self.signatures(judgement.digest(&self.domain), signers));
        // Anyone may bring it.
        let from = Address::repeat_byte(0xb1);
        self.chain.send_data(from, self.at, data.into()).await.map(|receipt| receipt.gas_used)
    }

    pub(crate) fn signatures(&self, digest: B256, signers: &[&EvmKey]) -> Vec<Bytes> {
        in_order(signers.iter().map(|key| (key.address(), key.sign(digest).unwrap())).collect())
    }

    /// Three of four.
    pub(crate) fn quorum(&self) -> Vec<&EvmKey> {
        self.validators[..3].iter().collect()
    }

    pub(crate) fn sign_acceptance(&self, job: B256, miner: &EvmKey, fee: u64, stake: u64) -> Bytes {
        let acceptance = Acceptance { job, miner: miner.address(), fee, stake };
        self.domain.sign(&acceptance, miner).unwrap().to_vec().into()
    }

    pub(crate) async fn stake(&self, miner: &EvmKey, amount: u64) -> u64 {
        self.ok(miner, &C::stakeCall { amount }).await
    }

    pub(crate) fn next_job(&self) -> [u8; 16] {
        self.jobs.set(self.jobs.get().wrapping_add(1));
        let mut id = [0; 16];
        id[0] = self.jobs.get();
        id
    }

    pub(crate) async fn deposit(&self, requester: &EvmKey, amount: u64) -> B256 {
        let deadline = self.chain.now().await + DAY;
        let id = self.next_job();
        let (digest, prompt) = (B256::repeat_byte(id[0]), B256::repeat_byte(0xcc));
        let call = C::depositCall { id: id.into(), jobDigest: digest, promptCommitment: prompt, amount, deadline };
        self.ok(requester, &call).await;
        job_key(requester.address(), id, digest, prompt)
    }

    /// A verdict that the miners with (trust, quality) are paid.
    pub(crate) fn verdict(&self, job: B256, fee: u64, stake: u64, of: &[(&EvmKey, u32, u32)]) -> Judgement {
        let mut of = of.to_vec();
        of.sort_by_key(|(miner, ..)| miner.address());
        let scored = |&(miner, trust_ppm, quality_ppm): &(&EvmKey, u32, u32)| Scored {
            miner: miner.address(),
            stake,
            trust_ppm,
            quality_ppm,
        };
        Judgement::Settle {
            job,
            fee,
            proof_root: B256::repeat_byte(1),
            bundle_digest: B256::repeat_byte(2),
            scores: of.iter().map(scored).collect(),
            acceptances: of.iter().map(|(miner, ..)| self.sign_acceptance(job, miner, fee, stake)).collect(),
        }
    }

    pub(crate) fn slash(&self, job: B256, miner: &EvmKey, stake: u64, check: u8) -> Judgement {
        let acceptance = self.sign_acceptance(job, miner, FEE, stake);
        let (miner, evidence) = (miner.address(), B256::repeat_byte(3));
        Judgement::Slash { job, miner, fee: FEE, stake, check, evidence, acceptance }
    }

    pub(crate) async fn balance(&self, account: Address) -> u64 {
        self.chain.call(self.token, &Token::balanceOfCall { account }).await.to()
    }

    pub(crate) async fn claimable(&self, account: Address) -> u64 {
        self.chain.call(self.at, &C::claimableCall { account }).await.to()
    }

    pub(crate) async fn staker(&self, miner: &EvmKey) -> (u64, u64, u64) {
        let found = self.chain.call(self.at, &C::stakerOfCall { miner: miner.address() }).await;
        (found.free, found.locked, found.cooling)
    }
}
