//! Single-channel images: pyramids, sampling and derivatives.

/// A grey image of f32 values from 0 to 255, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Gray {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<f32>,
}

impl Gray {
    /// Wraps `height x width` values; `None` when the sizes do not fit or a side is zero.
    #[must_use]
    pub fn new(width: usize, height: usize, data: Vec<f32>) -> Option<Self> {
        (width > 0 && height > 0 && data.len() == width * height).then_some(Self { width, height, data })
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    pub(super) fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// Value with coordinates clamped to the image.
    pub(super) fn clamped(&self, x: isize, y: isize) -> f32 {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.at(x, y)
    }

    /// Bilinear sample, edges repeated.
    pub(super) fn sample(&self, x: f32, y: f32) -> f32 {
        let (taps, weights) = bilinear_taps(self.width, self.height, x, y);
        taps.iter().zip(weights).map(|(&tap, weight)| self.data[tap] * weight).sum()
    }

    /// Cubic sample (Keys, a = -0.5), edges repeated: unlike the bilinear one it hardly blurs, so that a
    /// frame moved by half a pixel can be compared with one that is not.
    pub(super) fn sample_cubic(&self, x: f32, y: f32) -> f32 {
        let x = x.max(0.0).min((self.width - 1) as f32);
        let y = y.max(0.0).min((self.height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (across, down) = (cubic_weights(x - left as f32), cubic_weights(y - top as f32));
        let inside = left >= 1 && top >= 1 && left + 2 < self.width && top + 2 < self.height;
        let mut sum = 0f32;
        for (row, weight) in down.iter().enumerate() {
            let values: [f32; 4] = if inside {
                let start = (top + row - 1) * self.width + left - 1;
                std::array::from_fn(|column| self.data[start + column])
            } else {
                let y = (top + row) as isize - 1;
                std::array::from_fn(|column| self.clamped((left + column) as isize - 1, y))
            };
            sum += weight * values.iter().zip(across).map(|(value, weight)| value * weight).sum::<f32>();
        }
        sum
    }

    /// Half the size, each pixel the mean of 2x2 (the last row or column of odd sizes is repeated).
    pub(super) fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            let (top, bottom) = (2 * y, (2 * y + 1).min(self.height - 1));
            for x in 0..width {
                let (left, right) = (2 * x, (2 * x + 1).min(self.width - 1));
                let sum = self.at(left, top) + self.at(right, top) + self.at(left, bottom) + self.at(right, bottom);
                data.push(sum * 0.25);
            }
        }
        Self { width, height, data }
    }

    /// Five-point central derivatives along x and y, per pixel.
    pub(super) fn gradients(&self) -> (Vec<f32>, Vec<f32>) {
        const NEAR: f32 = 8.0 / 12.0;
        const FAR: f32 = 1.0 / 12.0;
        let width = self.width;
        let mut dx = vec![0f32; self.data.len()];
        let mut dy = vec![0f32; self.data.len()];
        for y in 0..self.height {
            let row = |offset: isize| {
                let y = (y as isize + offset).clamp(0, self.height as isize - 1) as usize;
                &self.data[y * width..(y + 1) * width]
            };
            let (above2, above, here, below, below2) = (row(-2), row(-1), row(0), row(1), row(2));
            let out = &mut dy[y * width..(y + 1) * width];
            for x in 0..width {
                out[x] = NEAR * (below[x] - above[x]) - FAR * (below2[x] - above2[x]);
            }
            let out = &mut dx[y * width..(y + 1) * width];
            for (window, out) in here.windows(5).zip(out.iter_mut().skip(2)) {
                *out = NEAR * (window[3] - window[1]) - FAR * (window[4] - window[0]);
            }
            let edges = (0..width.min(2)).chain(width.saturating_sub(2).max(2)..width);
            for x in edges {
                let at = |offset: isize| here[(x as isize + offset).clamp(0, width as isize - 1) as usize];
                out[x] = NEAR * (at(1) - at(-1)) - FAR * (at(2) - at(-2));
            }
        }
        (dx, dy)
    }
}

/// Weights of the pixels at -1, 0, 1 and 2 for a point at `t` between 0 and 1.
fn cubic_weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [0.5 * (-t3 + 2.0 * t2 - t), 0.5 * (3.0 * t3 - 5.0 * t2 + 2.0), 0.5 * (-3.0 * t3 + 4.0 * t2 + t), 0.5 * (t3 - t2)]
}

/// Indices and weights of the four pixels around a point, edges repeated.
pub(super) fn bilinear_taps(width: usize, height: usize, x: f32, y: f32) -> ([usize; 4], [f32; 4]) {
    // max then min also turns a NaN into 0, so that an index is always inside.
    let x = x.max(0.0).min((width - 1) as f32);
    let y = y.max(0.0).min((height - 1) as f32);
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (fx, fy) = (x - left as f32, y - top as f32);
    let (top, bottom) = (top * width, bottom * width);
    (
        [top + left, top + right, bottom + left, bottom + right],
        [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy],
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn samples_between_pixels_are_bilinear_and_edges_repeat() {
        let image = Gray::new(2, 2, vec![0.0, 10.0, 20.0, 30.0]).unwrap();
        assert_eq!(image.sample(0.5, 0.5), 15.0);
        assert_eq!(image.sample(-3.0, 9.0), 20.0);
        assert_eq!(image.sample(f32::NAN, 0.0), 0.0);
    }

    #[test]
    fn cubic_samples_are_exact_on_pixels_and_ramps() {
        let image = Gray::new(6, 5, (0..30).map(|i| (2 * (i % 6) + 7 * (i / 6)) as f32).collect()).unwrap();
        assert_eq!(image.sample_cubic(3.0, 2.0), 20.0);
        assert!((image.sample_cubic(2.25, 1.5) - 15.0).abs() < 1e-4);
        assert_eq!(image.sample_cubic(-4.0, 99.0), 28.0);
    }

    #[test]
    fn a_ramp_has_its_slope_as_derivative() {
        let image = Gray::new(9, 7, (0..63).map(|i| (3 * (i % 9) + 5 * (i / 9)) as f32).collect()).unwrap();
        let (dx, dy) = image.gradients();
        assert!((dx[3 * 9 + 4] - 3.0).abs() < 1e-5 && (dy[3 * 9 + 4] - 5.0).abs() < 1e-5);
    }

    #[test]
    fn odd_and_single_pixel_images_halve() {
        let image = Gray::new(3, 1, vec![2.0, 4.0, 6.0]).unwrap();
        assert_eq!(image.halved().data, [3.0, 6.0]);
        assert_eq!(Gray::new(1, 1, vec![7.0]).unwrap().halved().data, [7.0]);
        assert!(Gray::new(2, 2, vec![0.0; 3]).is_none());
    }
}
