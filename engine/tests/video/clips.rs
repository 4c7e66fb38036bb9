//! Clips to test with.

use infernet_engine::video::Clip;

/// An anti-aliased disc that moves over a plain background, in saturated colours: what the starter model makes.
pub(crate) fn disc(width: u32, height: u32, frames_per_second: f64, frames: usize) -> Clip {
    let (disc, ground) = ([220.0, 40.0, 40.0], [30.0, 60.0, 200.0]);
    let pixel = |t: usize, x: u32, y: u32| {
        let centre = (f64::from(width) * (0.3 + 0.4 * t as f64 / frames as f64), f64::from(height) * 0.5);
        let distance = (f64::from(x) + 0.5 - centre.0).hypot(f64::from(y) + 0.5 - centre.1);
        let cover = (0.5 + f64::from(width.min(height)) * 0.26 - distance).clamp(0.0, 1.0);
        [0, 1, 2].map(|c: usize| (cover * disc[c] + (1.0 - cover) * ground[c]).round() as u8)
    };
    let data =
        (0..frames).flat_map(|t| (0..height).flat_map(move |y| (0..width).flat_map(move |x| pixel(t, x, y)))).collect();
    Clip::new(width, height, frames_per_second, data).unwrap()
}

/// Moving waves of all sizes in different tints, and grain: busy as footage.
pub(crate) fn footage(width: u32, height: u32, frames_per_second: f64, frames: usize) -> Clip {
    let pixel = |t: usize, x: u32, y: u32| {
        let (x64, y64, t64) = (f64::from(x), f64::from(y), t as f64);
        let mut color = [120.0, 115.0, 105.0];
        for k in 0..12u32 {
            let (frequency, angle) = (0.06 * 1.4f64.powi(k as i32), f64::from(k) * 2.4);
            let wave = (frequency * (x64 * angle.cos() + y64 * angle.sin()) + 0.2 * t64 + angle).sin() * 26.0
                / 1.3f64.powi(k as i32);
            for (c, value) in color.iter_mut().enumerate() {
                *value += wave * (0.7 + 0.2 * f64::from((k + c as u32) % 3));
            }
        }
        let hash = (x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ (t as u32).wrapping_mul(2_246_822_519))
            .wrapping_mul(3_266_489_917);
        color.map(|value: f64| (value + f64::from(hash >> 29) - 3.5).round().clamp(0.0, 255.0) as u8)
    };
    let data =
        (0..frames).flat_map(|t| (0..height).flat_map(move |y| (0..width).flat_map(move |x| pixel(t, x, y)))).collect();
    Clip::new(width, height, frames_per_second, data).unwrap()
}
