//! What a clip costs, unit by unit, derived from a model's configuration.

use std::path::Path;

use crate::error::Result;
use crate::models::unet3d::{UNet3DConfig, UnitKind, program};
use crate::models::vae::VaeConfig;
use crate::pipeline::{LatentShape, Precision, shape_of, working_values};

/// Bytes that the program takes beside weights and activations.
const PROGRAM_BYTES: u64 = 64 << 20;

/// One unit of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitCost {
    /// Level of the U, from the outside in.
    pub level: usize,
    /// Bytes of weights, as stored.
    pub weight_bytes: u64,
    /// Multiplications and additions of one evaluation.
    pub operations: f64,
    /// Rounds of exchange between frame shards.
    pub rounds: u64,
    /// Bytes that each border between two neighbouring shards carries one way (frames beside it).
    pub edge_bytes: u64,
    /// Bytes that change hands if every value goes to another member, both ways together.
    pub swapped_bytes: u64,
    /// Bytes of group norm sums of all frames, each time they are exchanged.
    pub sums_bytes: u64,
}

/// A clip on a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipCost {
    /// Units in the order they run.
    pub units: Vec<UnitCost>,
    /// Levels of the U.
    pub levels: usize,
    /// Frames.
    pub frames: usize,
    /// Whether both branches of guidance run.
    pub guidance: bool,
    /// Bytes of a latent.
    pub latent_bytes: u64,
    /// Bytes that cross between each level and the next, inwards and outwards together, for one branch.
    pub crossing_bytes: Vec<u64>,
    /// Bytes of activations while denoising all frames.
    pub activation_bytes: u64,
    /// Of them, those that one frame's layer needs, which do not shrink with the number of frames.
    pub decode_bytes_per_frame: u64,
    /// Bytes of the VAE's weights.
    pub vae_bytes: u64,
    /// Bytes of the largest unit's weights.
    pub largest_unit_bytes: u64,
    /// Bytes that any member takes.
    pub program_bytes: u64,
}

impl ClipCost {
    /// Reads a model's configurations; `stored` is the number format its weights are stored in.
    ///
    /// # Errors
    /// A configuration can't be read, or the size does not suit the model.
    pub fn read(
        folder: &Path,
        size: [usize; 3],
        guidance: bool,
        stored: Precision,
        computed: Precision,
    ) -> Result<Self> {
        let unet = UNet3DConfig::read(&folder.join("unet/config.json"))?;
        let vae = VaeConfig::read(&folder.join("vae/config.json"))?;
        let [width, height, frames] = size;
        let shape = shape_of(&unet, &vae, width, height, frames)?;
        let entries = std::fs::read_dir(folder.join("vae")).into_iter().flatten().flatten();
        let vae_bytes = entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum();
        Ok(Self::of(&unet, &vae, shape, guidance, stored, computed, vae_bytes))
    }

    fn of(
        unet: &UNet3DConfig,
        vae: &VaeConfig,
        shape: LatentShape,
        guidance: bool,
        stored: Precision,
        computed: Precision,
        vae_bytes: u64,
    ) -> Self {
        let value = computed.bytes();
        let pixels = |level: usize| {
            let halved = |side: usize| (0..level).fold(side, |side, _| side.div_ceil(2));
            (halved(shape.height) * halved(shape.width)) as u64
        };
        let frames = shape.frames as u64;
        let groups = unet.norm_groups as u64;
        let units: Vec<UnitCost> = program(unet)
            .iter()
            .map(|unit| {
                let pixels = pixels(unit.level);
                // Matrices only: what has two dimensions or more multiplies every pixel's channels.
                let matrix: u64 = unit
                    .tensors()
                    .iter()
                    .filter(|(name, shape)| shape.len() > 1 && !name.contains("time_emb_proj"))
                    .map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>())
                    .sum();
                let rows = frames * pixels;
                let mut operations = match unit.kind {
                    UnitKind::Time(_) => 0.0,
                    _ => 2.0 * matrix as f64 * rows as f64,
                };
                let (mut rounds, mut edge_bytes, mut swapped_bytes) = (0, 0, 0);
                match unit.kind {
                    UnitKind::TemporalConv { channels, .. } => {
                        rounds = 4;
                        edge_bytes = 4 * pixels * channels as u64 * 4;
                    }
                    UnitKind::TemporalTransformer(spec) => {
                        rounds = 2;
                        swapped_bytes = 2 * rows * spec.channels as u64 * 4;
                        operations += 8.0 * rows as f64 * frames as f64 * (spec.heads * spec.head_dim) as f64;
                    }
                    UnitKind::SpatialTransformer(spec) => {
                        operations += 4.0 * rows as f64 * pixels as f64 * (spec.heads * spec.head_dim) as f64;
                    }
                    _ => {}
                }
                UnitCost {
                    level: unit.level,
                    weight_bytes: unit.parameters() * stored.bytes(),
                    operations,
                    rounds,
                    edge_bytes,
                    swapped_bytes,
                    sums_bytes: if rounds > 0 { frames * groups * 16 } else { 0 },
                }
            })
            .collect();
        let crossing_bytes = (0..unet.levels.len() - 1)
            .map(|level| {
                let channels = (unet.levels[level] + unet.levels[level + 1]) as u64;
                frames * pixels(level + 1) * channels * 4
            })
            .collect();
        let threads = 1;
        let [denoising, _] = working_values(unet, vae, shape, threads);
        let one = LatentShape { frames: 1, ..shape };
        let [_, decoding] = working_values(unet, vae, one, threads);
        Self {
            levels: unet.levels.len(),
            frames: shape.frames,
            guidance,
            latent_bytes: shape.elements() as u64 * 4,
            crossing_bytes,
            activation_bytes: denoising * value,
            decode_bytes_per_frame: decoding * value,
            vae_bytes,
            largest_unit_bytes: units.iter().map(|unit| unit.weight_bytes).max().unwrap_or(0),
            program_bytes: PROGRAM_BYTES,
            units,
        }
    }

    /// Bytes of all weights of the network.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.units.iter().map(|unit| unit.weight_bytes).sum()
    }

    /// Branches of guidance that run.
    #[must_use]
    pub fn branches(&self) -> usize {
        if self.guidance { 2 } else { 1 }
    }
}
