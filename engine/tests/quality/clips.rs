//! Clips drawn for the tests: the starter model's moving shapes at any size, and what a cheat would send.

use std::f64::consts::PI;

/// splitmix64: small, seeded, the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal with deviation 1: twelve uniforms.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.between(-0.5, 0.5)).sum()
    }
}

pub(crate) struct OwnedClip {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) frames: Vec<Vec<u8>>,
}

impl OwnedClip {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// Applies `change` to every byte: frame, pixel, channel, value.
    pub(crate) fn map(mut self, mut change: impl FnMut(usize, usize, usize, f64) -> f64) -> Self {
        for (index, frame) in self.frames.iter_mut().enumerate() {
            for (place, byte) in frame.iter_mut().enumerate() {
                let value = change(index, place / 3, place % 3, f64::from(*byte));
                *byte = value.round().clamp(0.0, 255.0) as u8;
            }
        }
        self
    }

    /// The frames in another order.
    pub(crate) fn ordered(&self, order: impl IntoIterator<Item = usize>) -> Self {
        let frames = order.into_iter().map(|index| self.frames[index].clone()).collect();
        Self { width: self.width, height: self.height, frames }
    }

    pub(crate) fn with_noise(self, deviation: f64, random: &mut Random) -> Self {
        self.map(|_, _, _, value| value + deviation * random.normal())
    }

    /// What block coding leaves: 8x8 cosine transforms with coefficients rounded to `step`, each frame on
    /// its own, so that the error differs from frame to frame as it does in a video file.
    pub(crate) fn block_coded(mut self, step: f64) -> Self {
        let cosines: Vec<f64> = (0..64)
            .map(|i| {
                let (k, n) = ((i / 8) as f64, (i % 8) as f64);
                let scale = if i < 8 { 0.125f64.sqrt() } else { 0.5 };
                scale * (PI * (2.0 * n + 1.0) * k / 16.0).cos()
            })
            .collect();
        for frame in &mut self.frames {
            for top in (0..self.height).step_by(8) {
                for left in (0..self.width).step_by(8) {
                    for channel in 0..3 {
                        code_block(frame, &cosines, (self.width, self.height), (left, top), channel, step);
                    }
                }
            }
        }
        self
    }
}

fn code_block(
    frame: &mut [u8],
    cosines: &[f64],
    (width, height): (usize, usize),
    (left, top): (usize, usize),
    channel: usize,
    step: f64,
) {
    let place = |x: usize, y: usize| (((top + y).min(height - 1)) * width + (left + x).min(width - 1)) * 3 + channel;
    let mut block = [0f64; 64];
    for (i, value) in block.iter_mut().enumerate() {
        *value = f64::from(frame[place(i % 8, i / 8)]);
    }
    // Separable: along x, then along y, by one matrix or its transpose.
    let transform = |block: &[f64; 64], forward: bool| {
        let mut out = *block;
        for pass in 0..2 {
            let input = out;
            for (i, value) in out.iter_mut().enumerate() {
                let (x, y) = (i % 8, i / 8);
                let at = if pass == 0 { x } else { y };
                *value = (0..8)
                    .map(|n| {
                        let cosine = cosines[if forward { at * 8 + n } else { n * 8 + at }];
                        cosine * input[if pass == 0 { y * 8 + n } else { n * 8 + x }]
                    })
                    .sum();
            }
        }
        out
    };
    let mut coefficients = transform(&block, true);
    for value in &mut coefficients {
        *value = (*value / step).round() * step;
    }
    let decoded = transform(&coefficients, false);
    for (i, value) in decoded.iter().enumerate() {
        if left + i % 8 < width && top + i / 8 < height {
            frame[place(i % 8, i / 8)] = value.round().clamp(0.0, 255.0) as u8;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    Right,
    Left,
    Up,
    Down,
    Growing,
    Shrinking,
    Spinning,
    Bouncing,
}

const MOTIONS: [Motion; 8] = [
    Motion::Right,
    Motion::Left,
    Motion::Up,
    Motion::Down,
    Motion::Growing,
    Motion::Shrinking,
    Motion::Spinning,
    Motion::Bouncing,
];
const SHAPES: [Shape; 4] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Star];
const COLOURS: [[f64; 3]; 6] = [
    [225.0, 35.0, 35.0],
    [30.0, 185.0, 55.0],
    [55.0, 105.0, 245.0],
    [245.0, 220.0, 40.0],
    [165.0, 60.0, 215.0],
    [250.0, 135.0, 20.0],
];
const GROUNDS: [[f64; 3]; 4] = [[0.0; 3], [255.0; 3], [120.0; 3], [12.0, 22.0, 70.0]];

/// Signed distance of a unit shape, negative inside.
fn distance(shape: Shape, x: f64, y: f64) -> f64 {
    let corners: Vec<(f64, f64)> = match shape {
        Shape::Circle => return x.hypot(y) - 1.0,
        Shape::Square => return x.abs().max(y.abs()) - 0.88,
        Shape::Triangle => (0..3).map(|k| (-90.0 + 120.0 * f64::from(k), 1.2)).collect(),
        Shape::Star => (0..10).map(|k| (-90.0 + 36.0 * f64::from(k), if k % 2 == 0 { 1.25 } else { 0.56 })).collect(),
    };
    let corner =
        |(degrees, radius): (f64, f64)| (radius * degrees.to_radians().cos(), radius * degrees.to_radians().sin());
    let (mut nearest, mut inside) = (f64::INFINITY, false);
    for (index, &end) in corners.iter().enumerate() {
        let (ax, ay) = corner(end);
        let (bx, by) = corner(corners[(index + corners.len() - 1) % corners.len()]);
        let (ex, ey) = (bx - ax, by - ay);
        let along = (((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
        nearest = nearest.min((x - ax - ex * along).hypot(y - ay - ey * along));
        if (ay > y) != (by > y) && x < ax + (y - ay) / ey * ex {
            inside = !inside;
        }
    }
    if inside { -nearest } else { nearest }
}

/// A moving shape as the starter model is trained on, scaled to the frame; `speed` 1 is the training
/// data's, less makes every motion proportionally smaller.
pub(crate) fn moving_shape(random: &mut Random, width: usize, height: usize, frames: usize, speed: f64) -> OwnedClip {
    let shape = SHAPES[random.below(4)];
    let mut motion = MOTIONS[random.below(8)];
    while motion == Motion::Spinning && shape == Shape::Circle {
        motion = MOTIONS[random.below(8)];
    }
    let (colour, ground) = (COLOURS[random.below(6)], GROUNDS[random.below(4)]);
    let radius = random.between(9.5, 12.5);
    let (x0, y0) = (32.0 + random.between(-7.0, 7.0), 32.0 + random.between(-7.0, 7.0));
    let reach = random.between(15.0, 19.0) * speed;
    let (small, large) = (random.between(4.5, 6.0), random.between(17.0, 20.0));
    let turn = random.between(140.0, 190.0).to_radians() * speed;
    let (top, bottom) = (random.between(13.0, 17.0), random.between(46.0, 50.0));
    let scale = width.min(height) as f64 / 64.0;
    let shift = ((width as f64 / scale - 64.0) / 2.0, (height as f64 / scale - 64.0) / 2.0);
    let draw = |index: usize| {
        let t = index as f64 / (frames.max(2) - 1) as f64;
        let path = reach * (2.0 * t - 1.0);
        let (mut x, mut y, mut r, mut angle) = (x0, y0, radius, 0.0);
        match motion {
            Motion::Right => x = 32.0 + path,
            Motion::Left => x = 32.0 - path,
            Motion::Down => y = 32.0 + path,
            Motion::Up => y = 32.0 - path,
            Motion::Growing => r = small + (large - small) * t * speed,
            Motion::Shrinking => r = large - (large - small) * t * speed,
            Motion::Spinning => (r, angle) = (radius + 3.0, turn * t),
            Motion::Bouncing => y = bottom - (bottom - top) * speed * (2.0 * PI * t).sin().abs(),
        }
        let mut frame = Vec::with_capacity(width * height * 3);
        for row in 0..height {
            for column in 0..width {
                let px = (column as f64 + 0.5) / scale - shift.0 - x;
                let py = (row as f64 + 0.5) / scale - shift.1 - y;
                let (sin, cos) = angle.sin_cos();
                let gap = distance(shape, (px * cos + py * sin) / r, (py * cos - px * sin) / r) * r * scale;
                let cover = (0.5 - gap).clamp(0.0, 1.0);
                for channel in 0..3 {
                    let value = cover * colour[channel] + (1.0 - cover) * ground[channel];
                    frame.push(value.round() as u8);
                }
            }
        }
        frame
    };
    OwnedClip { width, height, frames: (0..frames).map(draw).collect() }
}

/// Independent uniform bytes in squares of `grain` pixels.
pub(crate) fn noise(random: &mut Random, width: usize, height: usize, frames: usize, grain: usize) -> OwnedClip {
    let across = width.div_ceil(grain);
    let frames = (0..frames)
        .map(|_| {
            let cells: Vec<[u8; 3]> =
                (0..across * height.div_ceil(grain)).map(|_| std::array::from_fn(|_| random.next() as u8)).collect();
            let pixel = |i: usize| cells[(i / width / grain) * across + (i % width) / grain];
            (0..width * height).flat_map(pixel).collect()
        })
        .collect();
    OwnedClip { width, height, frames }
}

/// Smooth random fields, new ones every frame: noise that looks like clouds.
pub(crate) fn soft_noise(random: &mut Random, width: usize, height: usize, frames: usize) -> OwnedClip {
    let frames = (0..frames)
        .map(|_| {
            let waves: Vec<[f64; 4]> = (0..24)
                .map(|_| {
                    let limit = 20.0 / width.max(height) as f64;
                    let frequency = |random: &mut Random| random.between(-limit, limit);
                    [frequency(random), frequency(random), random.between(0.0, 2.0 * PI), random.between(0.0, 3.0)]
                })
                .collect();
            let value = |x: usize, y: usize, channel: usize| {
                let sum: f64 = waves
                    .iter()
                    .map(|[fx, fy, phase, turn]| (fx * x as f64 + fy * y as f64 + phase + turn * channel as f64).sin())
                    .sum();
                (128.0 + 20.0 * sum).clamp(0.0, 255.0) as u8
            };
            (0..width * height * 3).map(|i| value(i / 3 % width, i / 3 / width, i % 3)).collect()
        })
        .collect();
    OwnedClip { width, height, frames }
}
