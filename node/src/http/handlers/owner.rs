//! Settings.

use infernet_api::types::settings::{SettingProblem, Settings, SettingsCheck};
use serde_json::Value;

use super::Node;
use crate::http::answer::{Handled, Json};
use crate::http::backend::Backend;
use crate::http::extract::Body;

pub(in crate::http) async fn settings<B: Backend>(app: Node<B>) -> Handled<Json<Settings>> {
    Ok(Json(app.backend.settings().await?))
}

pub(in crate::http) async fn patch_settings<B: Backend>(
    app: Node<B>,
    Body(patch): Body<Value>,
) -> Handled<Json<Settings>> {
    Ok(Json(app.backend.patch_settings(patch).await?))
}

pub(in crate::http) async fn validate_settings<B: Backend>(
    app: Node<B>,
    Body(patch): Body<Value>,
) -> Handled<Json<SettingsCheck>> {
    let problems = match app.backend.settings().await?.patched(&patch) {
        Ok(_) => Vec::new(),
        Err(error) => vec![SettingProblem { field: error.field.unwrap_or_default(), message: error.message }],
    };
    Ok(Json(SettingsCheck { problems }))
}
