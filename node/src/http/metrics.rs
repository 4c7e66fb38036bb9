//! The server's own counters.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::measures::Measures;
use super::refusals::Refusals;

/// Bounds of the histogram of answering times, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// One request, in few words: labels must not grow with what clients send.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

/// The server's own counters.
#[derive(Debug)]
pub(super) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    pub(super) readers: Gauge,
    /// The node's own, as of the last time they were asked for.
    pub(super) measures: Measures,
}

impl Metrics {
    /// Registers them with the node's.
    pub(super) fn register(registry: &mut Registry, refusals: &Refusals) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Histogram::new(SECONDS),
            readers: Gauge::default(),
            measures: Measures::default(),
        };
        registry.sub_registry_with_prefix("infernet").register_collector(Box::new(metrics.measures.clone()));
        let part = registry.sub_registry_with_prefix("infernet_api");
        part.register("requests", "Requests answered", metrics.requests.clone());
        let seconds = metrics.seconds.clone();
        part.register_with_unit("answer", "Time from a request's header to its answer's", Unit::Seconds, seconds);
        part.register("event_readers", "Readers of events now", metrics.readers.clone());
        part.register("refusals", "Requests and connections refused", refusals.counters());
        metrics
    }
}

/// Counts a request when it is answered.
pub(super) async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        _ => "other",
    };
    let response = next.run(request).await;
    let labels = RequestLabels { route, method, status: response.status().as_u16() };
    metrics.requests.get_or_create(&labels).inc();
    metrics.seconds.observe(start.elapsed().as_secs_f64());
    response
}
