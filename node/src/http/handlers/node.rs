//! The node itself: status, events, devices, mining, doctor, metrics.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use infernet_api::ApiError;
use infernet_api::ErrorCode;
use infernet_api::types::device::DeviceList;
use infernet_api::types::doctor::DoctorReport;
use infernet_api::types::log::{LogFilter, LogLines};
use infernet_api::types::status::{MAX_PAUSE_SECS, MiningStatus, PauseRequest, Status};

use super::Node;
use crate::http::answer::{Handled, Json};
use crate::http::backend::Backend;
use crate::http::extract::{OptionalBody, Parameters};
use crate::http::stream;

const LAST_EVENT_ID: &str = "last-event-id";

pub(in crate::http) async fn healthz() -> &'static str {
    "ok"
}

pub(in crate::http) async fn openapi<B: Backend>(app: Node<B>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], app.openapi.clone())
}

pub(in crate::http) async fn metrics<B: Backend>(app: Node<B>) -> Handled<impl IntoResponse> {
    app.metrics.measures.set(app.backend.measures().await);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.registry)
        .map_err(|_| ApiError::internal("the counters can't be written"))?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

pub(in crate::http) async fn status<B: Backend>(app: Node<B>) -> Handled<Json<Status>> {
    Ok(Json(app.backend.status().await?))
}

pub(in crate::http) async fn events<B: Backend>(app: Node<B>, headers: HeaderMap) -> impl IntoResponse {
    // An id that is none, as one of another run: the reader is told to load everything again.
    let unknown = infernet_api::types::event::EventId { run: 0, sequence: u64::MAX };
    let after = headers.get(LAST_EVENT_ID).map(|id| id.to_str().ok().and_then(|id| id.parse().ok()).unwrap_or(unknown));
    stream::events(&app.backend, after, &app.limits, app.ending.clone(), app.metrics.readers.clone())
}

pub(in crate::http) async fn devices<B: Backend>(app: Node<B>) -> Handled<Json<DeviceList>> {
    Ok(Json(app.backend.devices().await?))
}

pub(in crate::http) async fn rescan_devices<B: Backend>(app: Node<B>) -> Handled<Json<DeviceList>> {
    Ok(Json(app.backend.rescan_devices().await?))
}

pub(in crate::http) async fn doctor<B: Backend>(app: Node<B>) -> Handled<Json<DoctorReport>> {
    Ok(Json(app.backend.doctor().await?))
}

pub(in crate::http) async fn log<B: Backend>(
    app: Node<B>,
    Parameters(filter): Parameters<LogFilter>,
) -> Handled<Json<LogLines>> {
    Ok(Json(app.backend.log(filter).await?))
}

pub(in crate::http) async fn start_mining<B: Backend>(app: Node<B>) -> Handled<Json<MiningStatus>> {
    Ok(Json(app.backend.start_mining().await?))
}

pub(in crate::http) async fn pause_mining<B: Backend>(
    app: Node<B>,
    OptionalBody(request): OptionalBody<PauseRequest>,
) -> Handled<Json<MiningStatus>> {
    if let Some(secs) = request.for_secs.filter(|secs| !(1..=MAX_PAUSE_SECS).contains(secs)) {
        let message = format!("for_secs is {secs}; expected 1 to {MAX_PAUSE_SECS}");
        let next_step = "leave it out for a pause until mining is started by hand";
        return Err(ApiError::new(ErrorCode::InvalidRequest, message, next_step).at("for_secs").into());
    }
    Ok(Json(app.backend.pause_mining(request).await?))
}
