//! Tokens that do what tokens should not.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolCall;
use infernet_settlement::evm::abi::InfernetSettlement as C;

use crate::chain::u;
use crate::world::{DEPOSIT, FEE, STAKE, World, terms};

alloy::sol! {
    interface Malicious {
        function arm(uint8 trick, address target, bytes calldata payload) external;
        function approveAs(address spender, uint256 amount) external;
        function run(address to, bytes calldata data) external;
        function reentered() external view returns (bool);
        function answer() external view returns (bytes memory);
    }
}

const FEE_TAKING: u8 = 1;
const LIE: u8 = 2;
const FALSE: u8 = 3;
const REENTER: u8 = 4;

async fn arm(w: &World, trick: u8, payload: Vec<u8>) {
    let call = Malicious::armCall { trick, target: w.at, payload: payload.into() };
    w.chain.send(w.miners[3].address(), w.token, &call).await.unwrap();
}

#[tokio::test]
async fn a_token_that_gives_less_than_it_says_is_refused() {
    let w = World::with("MaliciousToken", terms(), &[]).await;
    let (miner, requester) = (&w.miners[0], &w.requesters[0]);
    w.stake(miner, STAKE).await;
    let held = w.balance(w.at).await;
    let deadline = w.chain.now().await + 1_000;
    let deposit = C::depositCall {
        id: [1; 16].into(),
        jobDigest: Default::default(),
        promptCommitment: Default::default(),
        amount: DEPOSIT,
        deadline,
    };
    for (trick, error) in
        [(FEE_TAKING, "TokenTookAnother"), (LIE, "TokenTookAnother"), (FALSE, "SafeERC20FailedOperation")]
    {
        arm(&w, trick, vec![]).await;
        for result in [
            w.try_as(requester.address(), &deposit).await,
            w.try_as(miner.address(), &C::stakeCall { amount: 500 }).await,
            w.try_as(w.validators[0].address(), &C::bondCall { amount: 500 }).await,
        ] {
            let found = result.unwrap_err();
            assert!(found.contains(error), "{found}");
        }
        assert_eq!(w.balance(w.at).await, held);
    }
    // On the way out, too: what is owed stays owed.
    arm(&w, 0, vec![]).await;
    w.ok(miner, &C::requestUnstakeCall { amount: STAKE }).await;
    w.chain.pass(10 * crate::world::DAY).await;
    for trick in [LIE, FALSE] {
        arm(&w, trick, vec![]).await;
        assert!(w.try_as(miner.address(), &C::withdrawStakeCall { to: miner.address() }).await.is_err());
        assert_eq!(w.staker(miner).await, (0, 0, STAKE));
    }
    arm(&w, 0, vec![]).await;
    for nowhere in [Address::ZERO, w.at] {
        w.no(miner, &C::withdrawStakeCall { to: nowhere }, "BadParameter").await;
    }
    w.ok(miner, &C::withdrawStakeCall { to: miner.address() }).await;
}

#[tokio::test]
async fn judging_does_not_call_the_token() {
    let w = World::with("MaliciousToken", terms(), &[]).await;
    let miner = &w.miners[0];
    w.stake(miner, 2 * STAKE).await;
    let jobs = [w.deposit(&w.requesters[0], DEPOSIT).await, w.deposit(&w.requesters[0], DEPOSIT).await];
    // A token that says no to everything holds nobody's payment up.
    arm(&w, FALSE, vec![]).await;
    w.judge(&w.verdict(jobs[0], FEE, STAKE, &[(miner, 1, 1)]), &w.quorum()).await.unwrap();
    w.judge(&w.slash(jobs[1], miner, STAKE, 20), &w.quorum()).await.unwrap();
    w.chain.pass(2 * crate::world::DAY).await;
    w.ok(miner, &C::executeSlashCall { job: jobs[1], miner: miner.address() }).await;
    w.ok(miner, &C::refundCall { job: jobs[1] }).await;
    w.ok(miner, &C::releaseCall { job: jobs[0], miner: miner.address() }).await;
}

#[tokio::test]
async fn calls_from_within_a_transfer_are_refused() {
    let w = World::with("MaliciousToken", terms(), &[]).await;
    let (miner, token) = (&w.miners[0], w.token);
    w.stake(miner, STAKE).await;
    // The token is itself a user with money in the contract, so that a call from within has something to take.
    w.mint(token, 100_000).await;
    let from = w.miners[2].address();
    let run = |call: Vec<u8>| Malicious::runCall { to: w.at, data: Bytes::from(call) };
    w.chain.send(from, token, &Malicious::approveAsCall { spender: w.at, amount: u(100_000) }).await.unwrap();
    w.chain.send(from, token, &run(C::stakeCall { amount: 5_000 }.abi_encode())).await.unwrap();
    w.chain.send(from, token, &run(C::requestUnstakeCall { amount: 4_000 }.abi_encode())).await.unwrap();
    w.chain.pass(10 * crate::world::DAY).await;
    let to = token;
    let inner: Vec<(&str, Vec<u8>)> = vec![
        ("withdrawStake", C::withdrawStakeCall { to }.abi_encode()),
        ("claim", C::claimCall { to }.abi_encode()),
        ("stake", C::stakeCall { amount: 1 }.abi_encode()),
        ("requestUnstake", C::requestUnstakeCall { amount: 1 }.abi_encode()),
        ("bond", C::bondCall { amount: 1 }.abi_encode()),
        ("withdrawBond", C::withdrawBondCall { to }.abi_encode()),
        ("burn", C::burnCall {}.abi_encode()),
        ("refund", C::refundCall { job: Default::default() }.abi_encode()),
    ];
    let locked = alloy::primitives::keccak256("ReentrancyGuardReentrantCall()");
    let snapshot_of = |w: &World| {
        let (chain, at) = (w.chain.provider.clone(), w.token);
        async move {
            let call = alloy::rpc::types::TransactionRequest::default()
                .to(at)
                .input(Malicious::answerCall {}.abi_encode().into());
            let bytes = alloy::providers::Provider::call(&chain, call).await.unwrap();
            Malicious::answerCall::abi_decode_returns(&bytes).unwrap()
        }
    };
    let mut held = w.balance(w.at).await;
    for (name, payload) in inner {
        // In on a stake, and out on the token's own withdrawal.
        arm(&w, REENTER, payload.clone()).await;
        w.stake(miner, 100).await;
        held += 100;
        assert!(!w.chain.call(token, &Malicious::reenteredCall {}).await, "{name} from within a stake");
        assert_eq!(&snapshot_of(&w).await[..4], &locked[..4], "{name}");
        assert_eq!(w.balance(w.at).await, held);
    }
    arm(&w, REENTER, C::withdrawStakeCall { to }.abi_encode()).await;
    w.chain.send(from, token, &run(C::withdrawStakeCall { to }.abi_encode())).await.unwrap();
    assert!(!w.chain.call(token, &Malicious::reenteredCall {}).await);
    assert_eq!(w.balance(w.at).await, held - 4_000);
}
