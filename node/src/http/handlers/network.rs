//! Trust, peers, models.

use infernet_api::ModelId;
use infernet_api::types::model::{Model, ModelList, ModelRequest};
use infernet_api::types::peer::{InvitationLink, PeerList};
use infernet_api::types::trust::Trust;

use super::Node;
use crate::http::answer::{Handled, Json};
use crate::http::backend::Backend;
use crate::http::extract::{Body, Id};

pub(in crate::http) async fn trust<B: Backend>(app: Node<B>) -> Handled<Json<Trust>> {
    Ok(Json(app.backend.trust().await?))
}

pub(in crate::http) async fn invitation<B: Backend>(app: Node<B>) -> Handled<Json<InvitationLink>> {
    Ok(Json(app.backend.invitation().await?))
}

pub(in crate::http) async fn peers<B: Backend>(app: Node<B>) -> Handled<Json<PeerList>> {
    Ok(Json(app.backend.peers().await?))
}

pub(in crate::http) async fn models<B: Backend>(app: Node<B>) -> Handled<Json<ModelList>> {
    Ok(Json(app.backend.models().await?))
}

pub(in crate::http) async fn change_model<B: Backend>(
    app: Node<B>,
    Id(id): Id<ModelId>,
    Body(request): Body<ModelRequest>,
) -> Handled<Json<Model>> {
    Ok(Json(app.backend.change_model(id, request.action).await?))
}
