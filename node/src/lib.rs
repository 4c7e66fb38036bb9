//! `node/`: the node: roles, job life cycle, worker supervision, storage, HTTP server.
//!
//! | module | what |
//! |---|---|
//! | [`node`] | a running node: its roles on one swarm |
//! | [`validator`] | takes jobs, finds miners, audits, keeps the ledger |
//! | [`miner`] | takes jobs that fit its owner's rules, runs them, commits, opens |
//! | [`requester`] | makes jobs, follows them, brings the clips home |
//! | [`chain`] | the account and its transactions, where a contract on an EVM chain settles |
//! | [`courier`], [`roles`] | how roles reach each other, on one node or over the swarm |
//! | [`worker`], [`runner`] | inference in a child process, supervised |
//! | [`manners`] | what pauses a miner by itself: hours, battery, people, games, heat |
//! | [`models`], [`bounds`] | the models here by digest, and the bounds that come with them |
//! | [`backend`] | the node's answers to its API |
//! | [`logbook`] | the newest lines that were logged, for the owner's window |
//! | [`http`] | the server of the node's API, over any [`Backend`](http::Backend) |
//!
//! What always holds: every stage of a job has a deadline and a way on; money moves only through the ledger, or the
//! contract's outbox, under names that follow from job and attempt, before the job's record changes; keys never leave the node's process.

pub mod backend;
pub mod bounds;
pub mod chain;
mod clock;
pub mod courier;
mod hash;
pub mod http;
pub mod logbook;
pub mod manners;
pub mod miner;
pub mod models;
pub mod node;
mod pace;
pub mod requester;
pub mod roles;
pub mod runner;
pub mod validator;
pub mod worker;
