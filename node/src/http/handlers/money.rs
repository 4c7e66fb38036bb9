//! Earnings, stake, refunds.

use infernet_api::types::money::{
    ClaimRequest, Claimed, Earnings, EarningsQuery, ReceiptFilter, ReceiptList, Refund, RefundList, RefundRequest,
    StakeChanged, StakeInfo, StakeRequest,
};

use super::Node;
use crate::http::answer::{Handled, Json};
use crate::http::backend::Backend;
use crate::http::extract::{Body, OptionalBody, Parameters};

pub(in crate::http) async fn earnings<B: Backend>(
    app: Node<B>,
    Parameters(query): Parameters<EarningsQuery>,
) -> Handled<Json<Earnings>> {
    query.check()?;
    Ok(Json(app.backend.earnings(query).await?))
}

pub(in crate::http) async fn claim<B: Backend>(
    app: Node<B>,
    OptionalBody(request): OptionalBody<ClaimRequest>,
) -> Handled<Json<Claimed>> {
    request.check()?;
    Ok(Json(app.backend.claim(request).await?))
}

pub(in crate::http) async fn receipts<B: Backend>(
    app: Node<B>,
    Parameters(filter): Parameters<ReceiptFilter>,
) -> Handled<Json<ReceiptList>> {
    filter.page()?;
    Ok(Json(app.backend.receipts(filter).await?))
}

pub(in crate::http) async fn stake<B: Backend>(app: Node<B>) -> Handled<Json<StakeInfo>> {
    Ok(Json(app.backend.stake().await?))
}

pub(in crate::http) async fn change_stake<B: Backend>(
    app: Node<B>,
    Body(request): Body<StakeRequest>,
) -> Handled<Json<StakeChanged>> {
    request.check()?;
    Ok(Json(app.backend.change_stake(request).await?))
}

pub(in crate::http) async fn refunds<B: Backend>(app: Node<B>) -> Handled<Json<RefundList>> {
    Ok(Json(app.backend.refunds().await?))
}

pub(in crate::http) async fn refund<B: Backend>(
    app: Node<B>,
    Body(request): Body<RefundRequest>,
) -> Handled<Json<Refund>> {
    Ok(Json(app.backend.refund(request).await?))
}
