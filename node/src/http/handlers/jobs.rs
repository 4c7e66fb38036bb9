//! Jobs and their files.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use infernet_api::types::job::{Job, JobFilter, JobList, NewJob, Quote};
use infernet_api::types::verdict::JobProof;
use infernet_api::{ErrorCode, JobId};

use super::Node;
use crate::http::answer::{Created, Handled, Json};
use crate::http::backend::Backend;
use crate::http::extract::{Body, Id, Parameters};
use crate::http::file::{self, Kind};

const STEP: HeaderName = HeaderName::from_static("x-infernet-step");

pub(in crate::http) async fn list<B: Backend>(
    app: Node<B>,
    Parameters(filter): Parameters<JobFilter>,
) -> Handled<Json<JobList>> {
    filter.page()?;
    Ok(Json(app.backend.jobs(filter).await?))
}

pub(in crate::http) async fn submit<B: Backend>(app: Node<B>, Body(job): Body<NewJob>) -> Handled<Created<Job>> {
    job.check()?;
    Ok(Created(app.backend.submit(job).await?))
}

pub(in crate::http) async fn quote<B: Backend>(app: Node<B>, Body(job): Body<NewJob>) -> Handled<Json<Quote>> {
    job.check()?;
    Ok(Json(app.backend.quote(job).await?))
}

pub(in crate::http) async fn one<B: Backend>(app: Node<B>, Id(id): Id<JobId>) -> Handled<Json<Job>> {
    Ok(Json(app.backend.job(id).await?))
}

pub(in crate::http) async fn cancel<B: Backend>(app: Node<B>, Id(id): Id<JobId>) -> Handled<Json<Job>> {
    Ok(Json(app.backend.cancel(id).await?))
}

pub(in crate::http) async fn clip<B: Backend>(
    app: Node<B>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Handled<Response> {
    let stored = app.backend.clip(id).await?;
    let name = format!("infernet-{id}.mp4");
    file::serve(&stored, &Kind { content_type: "video/mp4", name, missing: ErrorCode::ClipNotFound }, &headers).await
}

pub(in crate::http) async fn bundle<B: Backend>(
    app: Node<B>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Handled<Response> {
    let stored = app.backend.bundle(id).await?;
    let name = format!("infernet-{id}.bundle");
    let kind = Kind { content_type: "application/octet-stream", name, missing: ErrorCode::ProofNotFound };
    file::serve(&stored, &kind, &headers).await
}

pub(in crate::http) async fn preview<B: Backend>(app: Node<B>, Id(id): Id<JobId>) -> Handled<impl IntoResponse> {
    let preview = app.backend.preview(id).await?;
    Ok(([(CONTENT_TYPE, "image/png".to_owned()), (STEP, preview.step.to_string())], preview.png))
}

pub(in crate::http) async fn proof<B: Backend>(app: Node<B>, Id(id): Id<JobId>) -> Handled<Json<JobProof>> {
    Ok(Json(app.backend.proof(id).await?))
}
