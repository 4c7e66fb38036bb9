//! The task that owns the swarm.

use tokio::sync::mpsc;

use super::config::SwarmConfig;
use super::error::StartError;
use super::event::SwarmEvent;
use super::handle::SwarmHandle;
use crate::identity::Identity;

pub fn start(identity: &Identity, config: SwarmConfig) -> Result<(SwarmHandle, mpsc::Receiver<SwarmEvent>), StartError>;
