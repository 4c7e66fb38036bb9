//! Endpoints: each takes a request apart, asks the node, and puts the answer together.

pub(super) mod jobs;
pub(super) mod money;
pub(super) mod network;
pub(super) mod node;
pub(super) mod owner;

use std::sync::Arc;

use axum::extract::State;

use super::routes::App;

type Node<B> = State<Arc<App<B>>>;
