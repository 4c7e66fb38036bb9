//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::answer::{method_not_allowed, not_found};
use super::backend::Backend;
use super::config::Limits;
use super::guard::{Guard, guard};
use super::handlers::{jobs, money, network, node, owner};
use super::metrics::{Metrics, measure};

/// What handlers know.
pub(super) struct App<B> {
    pub(super) backend: Arc<B>,
    pub(super) registry: Registry,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    /// The description, written once.
    pub(super) openapi: String,
    /// Ends streams of events.
    pub(super) ending: CancellationToken,
}

/// All endpoints behind a guard.
pub(super) fn router<B: Backend>(app: Arc<App<B>>, guarding: Guard) -> Router {
    let metrics = Arc::clone(&app.metrics);
    Router::new()
        .route("/healthz", get(node::healthz))
        .route("/openapi.json", get(node::openapi::<B>))
        .route("/metrics", get(node::metrics::<B>))
        .route("/v1/status", get(node::status::<B>))
        .route("/v1/events", get(node::events::<B>))
        .route("/v1/devices", get(node::devices::<B>))
        .route("/v1/devices/rescan", post(node::rescan_devices::<B>))
        .route("/v1/doctor", get(node::doctor::<B>))
        .route("/v1/log", get(node::log::<B>))
        .route("/v1/mining/start", post(node::start_mining::<B>))
        .route("/v1/mining/pause", post(node::pause_mining::<B>))
        .route("/v1/jobs", get(jobs::list::<B>).post(jobs::submit::<B>))
        .route("/v1/jobs/quote", post(jobs::quote::<B>))
        .route("/v1/jobs/{id}", get(jobs::one::<B>))
        .route("/v1/jobs/{id}/cancel", post(jobs::cancel::<B>))
        .route("/v1/jobs/{id}/clip.mp4", get(jobs::clip::<B>))
        .route("/v1/jobs/{id}/preview", get(jobs::preview::<B>))
        .route("/v1/jobs/{id}/proof", get(jobs::proof::<B>))
        .route("/v1/jobs/{id}/proof/bundle", get(jobs::bundle::<B>))
        .route("/v1/earnings", get(money::earnings::<B>))
        .route("/v1/earnings/claim", post(money::claim::<B>))
        .route("/v1/receipts", get(money::receipts::<B>))
        .route("/v1/stake", get(money::stake::<B>).post(money::change_stake::<B>))
        .route("/v1/refunds", get(money::refunds::<B>).post(money::refund::<B>))
        .route("/v1/trust", get(network::trust::<B>))
        .route("/v1/invitation", get(network::invitation::<B>))
        .route("/v1/peers", get(network::peers::<B>))
        .route("/v1/models", get(network::models::<B>))
        .route("/v1/models/{id}", post(network::change_model::<B>))
        .route("/v1/settings", get(owner::settings::<B>).patch(owner::patch_settings::<B>))
        .route("/v1/settings/validate", post(owner::validate_settings::<B>))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
        // The guard compares the announced length before anything is read; bodies without one are refused.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::new(guarding), guard))
        .layer(from_fn_with_state(metrics, measure))
}
