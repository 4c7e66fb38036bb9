//! The contract's interface, from the checked-in artefact, and the three messages that are no argument of a call.
#![allow(missing_docs, clippy::pedantic, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use alloy::sol;

sol! {
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    InfernetSettlement,
    "../contracts/artifacts/InfernetSettlement.json"
}

sol! {
    /// The part of ERC-20 that is needed.
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    interface Token {
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function decimals() external view returns (uint8);
        function symbol() external view returns (string);
        function totalSupply() external view returns (uint256);
    }

    /// The validators agree that nothing will come of a job.
    #[derive(Debug, PartialEq, Eq)]
    struct Cancel {
        bytes32 job;
        uint8 reason;
    }

    /// The validators change who they are.
    #[derive(Debug, PartialEq, Eq)]
    struct ValidatorChange {
        address added;
        address removed;
        uint64 nonce;
    }

    /// A miner takes a job and puts stake behind it.
    #[derive(Debug, PartialEq, Eq)]
    struct Acceptance {
        bytes32 job;
        address miner;
        uint64 fee;
        uint64 stake;
    }
}

pub use InfernetSettlement::{Parameters, Ruling, Score, SlashOrder, Verdict};
