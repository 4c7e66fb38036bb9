//! Units that are loaded when their turn comes, and freed after it: the device holds the running one and, where it fits, the next.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::backend::Backend;
use crate::error::{EngineError, Result};
use crate::models::unet3d::{Layer, Layers, Lent, Unit};
use crate::weights::Weights;

/// Where a unit's tensors come from.
pub(crate) type Fetch = Box<dyn Fn(usize, &Unit) -> Result<Arc<Weights>> + Send>;

type Loaded<B> = (usize, Result<Arc<Lent<B>>>);

/// Memory that loaded units take together.
struct Budget {
    state: Mutex<(u64, bool)>,
    changed: Condvar,
    bytes: u64,
}

impl Budget {
    /// Waits until `bytes` more fit, or nothing is loaded. `false` when there is nothing more to do.
    fn wait(&self, bytes: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.1 && state.0 > 0 && state.0 + bytes > self.bytes {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.0 += bytes;
        !state.1
    }

    fn give_back(&self, bytes: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 -= bytes;
        self.changed.notify_all();
    }

    fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// A unit's part of the budget, until the unit is freed.
struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// Layers that a thread loads ahead, in the order a member runs them, over and over.
pub(crate) struct Streamed<B: Backend> {
    loaded: Mutex<Option<Receiver<Loaded<B>>>>,
    budget: Arc<Budget>,
    /// Units of one round.
    units: usize,
    loader: Option<JoinHandle<()>>,
}

impl<B: Backend + Clone> Streamed<B> {
    /// Loads `order` (numbers of units) round by round with what `fetch` brings. Loaded units together take what the largest takes
    /// alone: the next is loaded while one runs if both fit into that, after it otherwise.
    ///
    /// # Errors
    /// The thread can't be started.
    pub(crate) fn new(backend: B, program: Arc<[Unit]>, order: Vec<usize>, fetch: Fetch) -> Result<Self> {
        let bytes = |unit: usize| program[unit].parameters();
        let budget = Arc::new(Budget {
            state: Mutex::default(),
            changed: Condvar::new(),
            bytes: order.iter().map(|&unit| bytes(unit)).max().unwrap_or(0),
        });
        // Handed over one by one: a unit that nobody waits for yet is the only one loaded ahead.
        let (to, from) = sync_channel(0);
        let units = order.len();
        let ahead = Arc::clone(&budget);
        let loader = std::thread::Builder::new()
            .name("infernet-weights".to_owned())
            .spawn(move || load_all(&backend, &program, &order, &fetch, &ahead, &to))
            .map_err(|error| EngineError::Request(format!("can't start a thread that loads weights: {error}")))?;
        Ok(Self { loaded: Mutex::new(Some(from)), budget, units, loader: Some(loader) })
    }
}

fn load_all<B: Backend>(
    backend: &B,
    program: &[Unit],
    order: &[usize],
    fetch: &Fetch,
    budget: &Arc<Budget>,
    to: &SyncSender<Loaded<B>>,
) {
    for &unit in order.iter().cycle() {
        let bytes = program[unit].parameters();
        if !budget.wait(bytes) {
            return;
        }
        let held = Held { budget: Arc::clone(budget), bytes };
        let layer = fetch(unit, &program[unit]).and_then(|weights| Layer::load(backend, &weights, &program[unit]));
        let failed = layer.is_err();
        if to.send((unit, layer.map(|layer| Arc::new(Lent::new(layer, Some(Box::new(held))))))).is_err() || failed {
            return;
        }
    }
}

impl<B: Backend> Layers<B> for Streamed<B> {
    fn layer(&self, unit: usize) -> Result<Arc<Lent<B>>> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // An evaluation that stopped half way leaves units that nobody wants any more.
        for _ in 0..=self.units {
            let Some(Ok((number, layer))) = loaded.as_ref().map(Receiver::recv) else { break };
            let layer = layer?;
            if number == unit {
                return Ok(layer);
            }
        }
        Err(EngineError::Request(format!(
            "the weights of unit {unit} can't be loaded any more, since an earlier unit failed"
        )))
    }

    fn are_costly(&self) -> bool {
        true
    }
}

impl<B: Backend> Drop for Streamed<B> {
    fn drop(&mut self) {
        self.budget.stop();
        drop(self.loaded.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(loader) = self.loader.take() {
            // It ends after what it is loading; a panic there has been reported.
            let _ = loader.join();
        }
    }
}
