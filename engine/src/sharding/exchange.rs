//! How frame shards meet in temporal layers.
//!
//! One round each: sums travel with the frames or pixels that the same layer needs. Everything is copied as it is and put in the
//! order of the clip's frames, so no result depends on how many members there are or where the clip was cut.

use std::ops::Range;
use std::time::Duration;

use super::bytes::{check_len, copy_f32, get_f32, get_f64, put_f32, put_f64};
use super::collective::{Bound, Channel, Collective};
use super::cut::proportional;
use crate::backend::{Columns, Edges, Exchange};
use crate::error::Result;
use crate::kernels::norm::GroupSums;

/// The frame shards of one clip (and one branch and stage), seen from one of them.
pub(crate) struct FrameExchange<'a> {
    collective: &'a dyn Collective,
    /// Ranks in the order of the clip's frames.
    members: Vec<usize>,
    /// This member's place among them.
    here: usize,
    /// Frames of each.
    frames: Vec<Range<usize>>,
    timeout: Duration,
}

impl<'a> FrameExchange<'a> {
    pub(crate) fn new(
        collective: &'a dyn Collective,
        members: Vec<usize>,
        frames: Vec<Range<usize>>,
        timeout: Duration,
    ) -> Self {
        let here = members.iter().position(|&member| member == collective.rank()).unwrap_or(0);
        Self { collective, members, here, frames, timeout }
    }

    fn total_frames(&self) -> usize {
        self.frames.last().map_or(0, |last| last.end)
    }

    /// Members get pixels in proportion to their frames.
    fn pixels(&self, pixels: usize) -> Vec<Range<usize>> {
        proportional(pixels, &self.frames)
    }

    fn swap(&self, parts: Vec<Vec<u8>>, longest: usize) -> Result<Vec<Vec<u8>>> {
        let bound = Bound::new(self.timeout, longest);
        Ok(self.collective.all_to_all(&self.members, Channel::ACTIVATIONS, parts, bound)?)
    }

    /// Bytes of the sums of `frames` frames.
    fn sums_bytes(frames: usize, groups: usize) -> usize {
        frames * groups * 16
    }

    fn put_sums(out: &mut Vec<u8>, sums: &[GroupSums]) {
        for frame in sums {
            put_f64(out, &frame.sums);
            put_f64(out, &frame.squares);
        }
    }

    /// Every frame has as many elements in a group, so counts need not travel.
    fn get_sums(bytes: &[u8], groups: usize, count: f64) -> impl Iterator<Item = GroupSums> + '_ {
        bytes.chunks_exact(16 * groups).map(move |frame| {
            let (sums, squares) = frame.split_at(8 * groups);
            GroupSums { sums: get_f64(sums), squares: get_f64(squares), count }
        })
    }
}

impl Exchange for FrameExchange<'_> {
    fn edges(&self, sums: &[GroupSums], first: &[f32], last: &[f32]) -> Result<Edges> {
        let (groups, count) = sums.first().map_or((0, 0.0), |sums| (sums.sums.len(), sums.count));
        let mut own = Vec::with_capacity(Self::sums_bytes(sums.len(), groups));
        Self::put_sums(&mut own, sums);
        let neighbour = |i: usize| i + 1 == self.here || i == self.here + 1;
        let parts = (0..self.members.len())
            .map(|i| {
                let mut part = own.clone();
                if neighbour(i) {
                    put_f32(&mut part, if i < self.here { first } else { last });
                }
                part
            })
            .collect();
        let frame_bytes = 4 * first.len();
        let longest = Self::sums_bytes(self.total_frames(), groups) + frame_bytes;
        let received = self.swap(parts, longest)?;
        let mut edges = Edges { sums: Vec::with_capacity(self.total_frames()), before: None, after: None };
        for (i, part) in received.iter().enumerate() {
            let sums_bytes = Self::sums_bytes(self.frames[i].len(), groups);
            let expected = sums_bytes + if neighbour(i) { frame_bytes } else { 0 };
            check_len(self.members[i], part.len(), expected, "its sums and edge frame")?;
            let (sums, frame) = part.split_at(sums_bytes);
            edges.sums.extend(Self::get_sums(sums, groups, count));
            if neighbour(i) {
                *(if i < self.here { &mut edges.before } else { &mut edges.after }) = Some(get_f32(frame));
            }
        }
        Ok(edges)
    }

    fn to_columns(&self, sums: &[GroupSums], frames: &[f32], pixels: usize) -> Result<Columns> {
        let (groups, count) = sums.first().map_or((0, 0.0), |sums| (sums.sums.len(), sums.count));
        let own_frames = self.frames[self.here].len();
        let channels = frames.len() / (own_frames * pixels);
        let shares = self.pixels(pixels);
        let parts = shares
            .iter()
            .map(|share| {
                let bytes = Self::sums_bytes(own_frames, groups) + 4 * own_frames * share.len() * channels;
                let mut part = Vec::with_capacity(bytes);
                Self::put_sums(&mut part, sums);
                for frame in frames.chunks_exact(pixels * channels) {
                    put_f32(&mut part, &frame[share.start * channels..share.end * channels]);
                }
                part
            })
            .collect();
        let own = shares[self.here].len();
        let mut columns = Columns {
            sums: Vec::with_capacity(self.total_frames()),
            values: Vec::with_capacity(self.total_frames() * own * channels),
            frames: self.total_frames(),
            pixels: own,
        };
        let bytes_of = |frames: usize| (Self::sums_bytes(frames, groups), 4 * frames * own * channels);
        let longest = bytes_of(self.total_frames());
        for (i, part) in self.swap(parts, longest.0 + longest.1)?.into_iter().enumerate() {
            let (sums_bytes, frames_bytes) = bytes_of(self.frames[i].len());
            check_len(self.members[i], part.len(), sums_bytes + frames_bytes, "its pixels")?;
            let (sums, values) = part.split_at(sums_bytes);
            columns.sums.extend(Self::get_sums(sums, groups, count));
            let start = columns.values.len();
            columns.values.resize(start + values.len() / 4, 0.0);
            copy_f32(values, &mut columns.values[start..]);
        }
        Ok(columns)
    }

    fn to_frames(&self, columns: &[f32], pixels: usize, channels: usize) -> Result<Vec<f32>> {
        let shares = self.pixels(pixels);
        let (own, own_frames) = (shares[self.here].len(), self.frames[self.here].len());
        let row = own * channels;
        let parts = self
            .frames
            .iter()
            .map(|frames| {
                let mut part = Vec::with_capacity(4 * frames.len() * row);
                put_f32(&mut part, &columns[frames.start * row..frames.end * row]);
                part
            })
            .collect();
        let received = self.swap(parts, 4 * own_frames * pixels * channels)?;
        let mut frames = vec![0.0; own_frames * pixels * channels];
        for ((member, part), share) in self.members.iter().zip(&received).zip(&shares) {
            check_len(*member, part.len(), 4 * own_frames * share.len() * channels, "its frames")?;
            if share.is_empty() {
                continue;
            }
            let row_bytes = 4 * share.len() * channels;
            for (frame, bytes) in frames.chunks_exact_mut(pixels * channels).zip(part.chunks_exact(row_bytes)) {
                copy_f32(bytes, &mut frame[share.start * channels..share.end * channels]);
            }
        }
        Ok(frames)
    }
}
