//! Where a network's loaded units are.

use std::sync::Arc;

use super::layer::Layer;
use super::program::Unit;
use crate::backend::Backend;
use crate::error::{EngineError, Result};
use crate::weights::Weights;

/// Gives out loaded units.
pub(crate) trait Layers<B: Backend>: Send + Sync {
    /// A unit, which stays loaded at least until the last reference to it ends.
    fn layer(&self, unit: usize) -> Result<Arc<Lent<B>>>;

    /// Whether getting a unit costs a load, so that one should be used for everything there is before the next.
    fn are_costly(&self) -> bool;
}

/// A loaded unit and what must be told when it is given back.
pub(crate) struct Lent<B: Backend> {
    pub(crate) layer: Layer<B>,
    /// Dropped with the layer.
    _held: Option<Box<dyn std::any::Any + Send + Sync>>,
}

impl<B: Backend> Lent<B> {
    pub(crate) fn new(layer: Layer<B>, held: Option<Box<dyn std::any::Any + Send + Sync>>) -> Self {
        Self { layer, _held: held }
    }
}

/// Units that stay loaded: all of them, or those of one member of a group.
pub(crate) struct Resident<B: Backend> {
    layers: Vec<Option<Arc<Lent<B>>>>,
}

impl<B: Backend> Resident<B> {
    /// Loads the units that `wanted` accepts.
    pub(crate) fn load(
        backend: &B,
        program: &[Unit],
        weights: &Weights,
        wanted: impl Fn(&Unit) -> bool,
    ) -> Result<Self> {
        let layers = program
            .iter()
            .map(|unit| {
                if !wanted(unit) {
                    unit.tensors().iter().for_each(|(name, _)| weights.skip(name));
                    return Ok(None);
                }
                Ok(Some(Arc::new(Lent::new(Layer::load(backend, weights, unit)?, None))))
            })
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }
}

impl<B: Backend> Layers<B> for Resident<B> {
    fn layer(&self, unit: usize) -> Result<Arc<Lent<B>>> {
        let layer = self.layers.get(unit).and_then(Option::as_ref);
        layer.map(Arc::clone).ok_or_else(|| {
            EngineError::Request(format!(
                "unit {unit} of the network was not loaded here: another member of the group has it"
            ))
        })
    }

    fn are_costly(&self) -> bool {
        false
    }
}
