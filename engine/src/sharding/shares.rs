//! Weights that members keep between them: each has a share of every tensor, and asks the others for theirs when a layer's turn comes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bytes::check_len;
use super::collective::{Bound, Channel, Collective};
use super::cut::even;
use super::error::CollectiveError;
use super::streamed::Fetch;
use crate::error::{EngineError, Result};
use crate::models::unet3d::Unit;
use crate::weights::{RawTensor, TensorType, Weights};

/// How long a thread that answers waits before it looks whether it should end.
const IDLE: Duration = Duration::from_millis(200);

/// One member's share of every tensor of every unit.
pub(crate) struct Shares {
    /// By unit, then by tensor, in the order of [`Unit::tensors`].
    units: Vec<Vec<(TensorType, Vec<u8>)>>,
    program: Arc<[Unit]>,
    part: usize,
    parts: usize,
}

fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

impl Shares {
    /// Reads part `part` of `parts` of every tensor.
    pub(crate) fn read(program: Arc<[Unit]>, weights: &Weights, part: usize, parts: usize) -> Result<Self> {
        let units = program
            .iter()
            .map(|unit| {
                let tensors = unit.tensors();
                let read = tensors.iter().map(|(name, shape)| {
                    Ok(weights.read_part(name, shape, even(elements(shape), parts)[part].clone())?)
                });
                read.collect()
            })
            .collect::<Result<_>>()?;
        Ok(Self { units, program, part, parts })
    }

    /// The share of a unit as a message: the formats of its tensors, then their bytes.
    fn message(&self, unit: usize) -> Option<Vec<u8>> {
        let tensors = self.units.get(unit)?;
        let mut message: Vec<u8> = tensors.iter().map(|(tensor_type, _)| code(*tensor_type)).collect();
        tensors.iter().for_each(|(_, bytes)| message.extend(bytes));
        Some(message)
    }
}

fn code(tensor_type: TensorType) -> u8 {
    match tensor_type {
        TensorType::F32 => 0,
        TensorType::F16 => 1,
        TensorType::Bf16 => 2,
    }
}

fn tensor_type(code: u8) -> Option<TensorType> {
    [TensorType::F32, TensorType::F16, TensorType::Bf16].into_iter().find(|&known| self::code(known) == code)
}

/// Brings whole units from all holders.
pub(crate) fn gather(shares: Arc<Shares>, collective: Arc<dyn Collective>, timeout: Duration) -> Fetch {
    Box::new(move |number, unit| {
        let shapes = unit.tensors();
        let others = (0..shares.parts).filter(|&holder| holder != shares.part);
        let until = Instant::now() + timeout;
        for holder in others {
            collective.send(holder, Channel::WEIGHT_REQUESTS, (number as u32).to_le_bytes().to_vec(), until)?;
        }
        let ranges: Vec<_> = shapes.iter().map(|(_, shape)| even(elements(shape), shares.parts)).collect();
        let mut types: Vec<TensorType> = shares.units[number].iter().map(|(tensor_type, _)| *tensor_type).collect();
        let mut tensors: Vec<Vec<u8>> = shapes
            .iter()
            .zip(&types)
            .map(|((_, shape), tensor_type)| Vec::with_capacity(elements(shape) * tensor_type.size_bytes()))
            .collect();
        for holder in 0..shares.parts {
            let message;
            let message = if holder == shares.part {
                message = shares.message(number).unwrap_or_default();
                &message
            } else {
                let longest = shapes.len() + ranges.iter().map(|ranges| 4 * ranges[holder].len()).sum::<usize>();
                message = collective.recv(holder, Channel::WEIGHTS, Bound { until, bytes: longest })?;
                &message
            };
            let unexpected = |reason: String| CollectiveError::Unexpected { peer: holder, reason };
            let (codes, mut rest) = message
                .split_at_checked(shapes.len())
                .ok_or_else(|| unexpected("its weights are cut short".to_owned()))?;
            let expected = shapes.len()
                + ranges.iter().zip(&types).map(|(ranges, t)| ranges[holder].len() * t.size_bytes()).sum::<usize>();
            check_len(holder, message.len(), expected, "its share of the weights")?;
            for (i, code) in codes.iter().enumerate() {
                let found = tensor_type(*code).filter(|found| *found == types[i]);
                types[i] = found.ok_or_else(|| unexpected("its weights have another number format".to_owned()))?;
                let (bytes, after) = rest.split_at(ranges[i][holder].len() * types[i].size_bytes());
                tensors[i].extend(bytes);
                rest = after;
            }
        }
        let named = shapes
            .into_iter()
            .zip(tensors.into_iter().zip(types))
            .map(|((name, shape), (bytes, tensor_type))| (name, shape, RawTensor::from_bytes(tensor_type, &bytes)))
            .collect();
        Ok(Arc::new(Weights::in_memory(Path::new("the weights that the group shares"), named)?))
    })
}

/// Threads that answer the others' questions for a member's shares, until dropped.
pub(crate) struct Answering {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Answering {
    /// Answers `askers`.
    ///
    /// # Errors
    /// A thread can't be started.
    pub(crate) fn start(
        shares: &Arc<Shares>,
        collective: &Arc<dyn Collective>,
        askers: impl Iterator<Item = usize>,
        timeout: Duration,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = askers
            .filter(|&asker| asker != collective.rank())
            .map(|asker| {
                let (shares, collective, stop) = (Arc::clone(shares), Arc::clone(collective), Arc::clone(&stop));
                std::thread::Builder::new()
                    .name(format!("infernet-shares-{asker}"))
                    .spawn(move || answer(&shares, collective.as_ref(), asker, timeout, &stop))
                    .map_err(|error| {
                        EngineError::Request(format!("can't start a thread that gives weights out: {error}"))
                    })
            })
            .collect::<Result<_>>()?;
        Ok(Self { stop, threads })
    }
}

fn answer(shares: &Shares, collective: &dyn Collective, asker: usize, timeout: Duration, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        // Not counted as a round or as waiting for others: nothing here needs an answer to go on.
        match collective.take(asker, Channel::WEIGHT_REQUESTS, Bound::new(IDLE, 4)) {
            Ok(request) => {
                let unit = request.first_chunk::<4>().map_or(usize::MAX, |bytes| u32::from_le_bytes(*bytes) as usize);
                let Some(message) = shares.message(unit.min(shares.program.len())) else {
                    tracing::warn!(asker, unit, "a member asked for weights that do not exist");
                    continue;
                };
                if collective.send(asker, Channel::WEIGHTS, message, Instant::now() + timeout).is_err() {
                    return;
                }
            }
            Err(CollectiveError::Deadline { .. }) => {}
            // Who is gone asks no more; whoever needs it learns it elsewhere.
            Err(_) => return,
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
