//! What the node measures of itself, beside the server's own counters.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// One figure. Those of one name come one after the other, with the same labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Name without the program's; a counter's without `_total`.
    pub name: &'static str,
    /// What it is, and its unit.
    pub help: &'static str,
    /// What it is of, where there are several.
    pub label: Option<(&'static str, String)>,
    /// The figure.
    pub value: f64,
    /// Whether it only grows while the node runs.
    pub counts: bool,
}

impl Measure {
    /// A figure that goes up and down.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, label: None, value, counts: false }
    }

    /// One that only grows.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { counts: true, ..Self::gauge(name, help, value) }
    }

    /// One of several of its name.
    #[must_use]
    pub fn of(self, label: &'static str, value: impl Into<String>) -> Self {
        Self { label: Some((label, value.into())), ..self }
    }

    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        if self.counts {
            ConstCounter::new(self.value).encode(encoder)
        } else {
            ConstGauge::new(self.value).encode(encoder)
        }
    }
}

/// The newest figures, which the registry asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Measures(Arc<Mutex<Vec<Measure>>>);

impl Measures {
    pub(super) fn set(&self, measures: Vec<Measure>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = measures;
    }
}

impl Collector for Measures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let measures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for family in measures.chunk_by(|one, next| one.name == next.name) {
            let Some(first) = family.first() else { continue };
            let (counter, gauge) = (ConstCounter::new(0.0), ConstGauge::new(0.0));
            let kind = if first.counts { counter.metric_type() } else { gauge.metric_type() };
            let help = format!("{}.", first.help);
            let mut named = encoder.encode_descriptor(first.name, &help, None, kind)?;
            if first.label.is_none() {
                first.encode(named)?;
                continue;
            }
            for measure in family {
                let labels: Vec<(&str, &str)> =
                    measure.label.iter().map(|(name, value)| (*name, value.as_str())).collect();
                measure.encode(named.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn figures_are_written_with_their_labels() {
        let measures = Measures::default();
        let mut registry = Registry::with_prefix("infernet");
        registry.register_collector(Box::new(measures.clone()));
        measures.set(vec![
            Measure::gauge("peers", "Peers connected", 3.0),
            Measure::gauge("jobs", "Open jobs by stage", 2.0).of("stage", "running"),
            Measure::gauge("jobs", "Open jobs by stage", 1.0).of("stage", "posted"),
            Measure::counter("worker_restarts", "Starts after the first", 4.0),
        ]);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "# TYPE infernet_peers gauge",
            "infernet_peers 3.0",
            "infernet_jobs{stage=\"running\"} 2.0",
            "infernet_jobs{stage=\"posted\"} 1.0",
            "# TYPE infernet_worker_restarts counter",
            "infernet_worker_restarts_total 4.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# TYPE infernet_jobs").count(), 1);
    }
}
