// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev The rules, fixed at deployment. Shares are parts per million.
struct Parameters {
    /// How long a payment or a slash can be contested.
    uint64 challengeSeconds;
    /// How long validators have to answer a contest.
    uint64 answerSeconds;
    /// How far ahead a deadline may be.
    uint64 mostJobSeconds;
    /// What a validator has at stake.
    uint64 validatorBond;
    /// What each validator pays for a contest that was left unanswered.
    uint64 silencePenalty;
    /// What a contest costs when it was wrong.
    uint64 contestBond;
    /// Share of the stake behind a job that a slash takes.
    uint32 slashPpm;
    /// Miners' share of what a job costs; the rest is the validators'.
    uint32 splitPpm;
    /// Least stake behind a job, as a share of the fee (2,000,000 is twice the fee).
    uint32 leastStakePpm;
    /// Quality from which there is a bonus.
    uint32 qualityThresholdPpm;
    /// Share of the reward that depends on quality.
    uint32 qualityWeightPpm;
}

enum JobStatus {
    None,
    Open,
    Settled,
    Refunded
}

struct Job {
    address requester;
    uint64 amount;
    JobStatus status;
    uint64 deadline;
    /// What the requester got from slashes; at most the deposit.
    uint64 compensated;
}

enum PartStatus {
    None,
    /// Paid; `amount` is locked until the window is over.
    Paid,
    /// To be slashed; `amount` is put aside.
    Proposed,
    Slashed,
    /// Was to be slashed; taken back.
    Cleared,
    /// Was paid, and the window is over.
    Released
}

/// @dev A miner's part in a job.
struct Part {
    uint64 amount;
    uint64 until;
    PartStatus status;
    uint8 check;
}

struct Dispute {
    address by;
    uint64 answerBy;
    bytes32 bundle;
}

struct Staker {
    uint64 free;
    /// Behind paid jobs whose window is open.
    uint64 locked;
    /// Being taken out; can still be slashed.
    uint64 cooling;
    uint64 dueAt;
}
