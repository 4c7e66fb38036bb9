//! Which frames and units each member has, and whether a plan suits a clip and a model at all.

use std::ops::Range;

use super::error::PlanError;
use super::plan::{Plan, Spread, Windows};
use crate::models::unet3d::Unit;
use crate::pipeline::LatentShape;

impl Plan {
    /// Checks the plan against a clip of `frames` frames, a model of `levels` levels, and whether guidance is on.
    ///
    /// # Errors
    /// The plan can't be used for it; the error says why and what to write instead.
    pub fn check(&self, frames: usize, levels: usize, guidance: bool) -> Result<(), PlanError> {
        self.level_ranges(levels)?;
        self.check_clip(frames, guidance)
    }

    /// Checks what does not depend on the model.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_clip(&self, frames: usize, guidance: bool) -> Result<(), PlanError> {
        self.frame_ranges(frames)?;
        if self.branches && !guidance { Err(PlanError::NoGuidance) } else { Ok(()) }
    }

    /// Frames of each shard or window, in the clip's order.
    ///
    /// # Errors
    /// The frames can't be cut so.
    pub fn frame_ranges(&self, frames: usize) -> Result<Vec<Range<usize>>, PlanError> {
        match &self.frames {
            Spread::Whole => Ok(std::iter::once(0..frames).collect()),
            Spread::Shards(cut) => {
                cut.ranges(frames).ok_or_else(|| PlanError::Frames { part: format!("frames={cut}"), frames })
            }
            Spread::Windows(windows) => windows.ranges(frames),
        }
    }

    /// Levels of each stage of the U, from the outside in.
    pub(crate) fn level_ranges(&self, levels: usize) -> Result<Vec<Range<usize>>, PlanError> {
        let Some(cut) = &self.depth else { return Ok(std::iter::once(0..levels).collect()) };
        let fail = || PlanError::Levels { part: cut.to_string(), levels };
        if let super::Cut::Even(stages) = cut {
            // One level each, and all that remain for the innermost: what crosses is smallest there, and the outermost level has
            // most of the activations.
            if *stages > levels {
                return Err(fail());
            }
            return Ok((0..*stages)
                .map(|stage| stage..if stage + 1 == *stages { levels } else { stage + 1 })
                .collect());
        }
        cut.ranges(levels).ok_or_else(fail)
    }

    /// Units of a stage: on the way in and, but for the innermost stage, on the way out. The timestep embedding, unit 0, is in none:
    /// every stage has it.
    pub(crate) fn stage_units(
        &self,
        stage: usize,
        program: &[Unit],
        levels: usize,
    ) -> Result<(Range<usize>, Option<Range<usize>>), PlanError> {
        let own = self.level_ranges(levels)?[stage].clone();
        let mine = |unit: &usize| own.contains(&program[*unit].level);
        let start = (1..program.len()).find(mine).unwrap_or(program.len());
        let end = (start..program.len()).find(|unit| !mine(unit)).unwrap_or(program.len());
        let back = (end..program.len()).find(mine);
        Ok((start..end, back.map(|back| back..(back..program.len()).find(|unit| !mine(unit)).unwrap_or(program.len()))))
    }
}

impl Windows {
    /// Frames of each window.
    ///
    /// # Errors
    /// The frames can't be cut so, or windows would overlap others than their neighbours.
    pub(crate) fn ranges(&self, frames: usize) -> Result<Vec<Range<usize>>, PlanError> {
        let part = || format!("window={}", self.cut);
        let parts = self.cut.ranges(frames).ok_or_else(|| PlanError::Frames { part: part(), frames })?;
        let shortest = parts.iter().map(Range::len).min().unwrap_or(0);
        if parts.len() > 1 && self.overlap > shortest {
            return Err(PlanError::Overlap { overlap: self.overlap, shortest });
        }
        let (before, after) = (self.overlap / 2, self.overlap - self.overlap / 2);
        let last = parts.len() - 1;
        Ok(parts
            .iter()
            .enumerate()
            .map(|(i, part)| {
                let start = if i == 0 { part.start } else { part.start - before };
                let end = if i == last { part.end } else { part.end + after };
                start..end
            })
            .collect())
    }
}

/// Some frames of a latent `(channels, frames, height, width)`.
pub(crate) fn take_frames(latent: &[f32], shape: LatentShape, frames: Range<usize>) -> Vec<f32> {
    let plane = shape.height * shape.width;
    let mut out = Vec::with_capacity(shape.channels * frames.len() * plane);
    for channel in latent.chunks_exact(shape.frames * plane) {
        out.extend(&channel[frames.start * plane..frames.end * plane]);
    }
    out
}

/// Puts some frames into a latent.
pub(crate) fn put_frames(latent: &mut [f32], shape: LatentShape, frames: Range<usize>, values: &[f32]) {
    let plane = shape.height * shape.width;
    let own = values.chunks_exact(frames.len() * plane);
    for (channel, values) in latent.chunks_exact_mut(shape.frames * plane).zip(own) {
        channel[frames.start * plane..frames.end * plane].copy_from_slice(values);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(text: &str) -> Plan {
        text.parse().unwrap()
    }

    #[test]
    fn plans_are_checked_against_clip_and_model() {
        let code = |text: &str, frames, levels, guidance| {
            plan(text).check(frames, levels, guidance).map_err(|error| (error.code(), !error.next_step().is_empty()))
        };
        assert_eq!(code("cfg=2,frames=3,depth=2", 16, 4, true), Ok(()));
        assert_eq!(code("frames=5:3:8", 16, 4, true), Ok(()));
        assert_eq!(code("frames=5:3:8", 17, 4, true), Err(("plan.frames", true)));
        assert_eq!(code("frames=6", 5, 4, true), Err(("plan.frames", true)));
        assert_eq!(code("depth=3", 16, 2, true), Err(("plan.levels", true)));
        assert_eq!(code("depth=1:2", 16, 4, true), Err(("plan.levels", true)));
        assert_eq!(code("window=4/5", 16, 4, true), Err(("plan.overlap", true)));
        assert_eq!(code("cfg=2", 16, 4, false), Err(("plan.no_guidance", true)));
    }

    proptest! {
        #[test]
        fn windows_cover_the_clip_and_share_what_they_say(frames in 1..60_usize, parts in 1..7_usize, overlap in 0..6_usize) {
            let text = format!("window={parts}/{overlap}");
            let Ok(ranges) = plan(&text).frame_ranges(frames) else { return Ok(()) };
            prop_assert_eq!(ranges.len(), parts);
            prop_assert_eq!((ranges[0].start, ranges[parts - 1].end), (0, frames));
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].end - pair[1].start, overlap);
            }
        }

        #[test]
        fn frames_come_back(frames in 1..9_usize, cut in 1..9_usize) {
            prop_assume!(cut <= frames);
            let shape = LatentShape { channels: 3, frames, height: 2, width: 5 };
            let latent: Vec<f32> = (0..shape.elements()).map(|i| i as f32).collect();
            let mut again = vec![0.0; latent.len()];
            for range in plan(&format!("frames={cut}")).frame_ranges(frames).unwrap() {
                put_frames(&mut again, shape, range.clone(), &take_frames(&latent, shape, range));
            }
            prop_assert_eq!(again, latent);
        }
    }
}
