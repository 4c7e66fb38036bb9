//! Colours.

use plotters::style::RGBColor;

pub(super) const INK: RGBColor = RGBColor(0x1f, 0x29, 0x33);
pub(super) const MUTED: RGBColor = RGBColor(0x5c, 0x68, 0x75);
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe8, 0xec);
pub(super) const FRAME: RGBColor = RGBColor(0xb4, 0xbd, 0xc6);
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const MISSING: RGBColor = RGBColor(0xd5, 0xd9, 0xdd);

/// Okabe and Ito, "Color Universal Design" (2008), yellow left out since it vanishes on white.
const SERIES: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x22, 0x22, 0x22),
];

/// Viridis at even distances (Smith and van der Walt, matplotlib, CC0).
const VIRIDIS: [[f64; 3]; 9] = [
    [68.0, 1.0, 84.0],
    [71.0, 44.0, 122.0],
    [59.0, 81.0, 139.0],
    [44.0, 113.0, 142.0],
    [33.0, 144.0, 141.0],
    [39.0, 173.0, 129.0],
    [92.0, 200.0, 99.0],
    [170.0, 220.0, 50.0],
    [253.0, 231.0, 37.0],
];

/// Blue over near white to orange, after ColorBrewer's PuOr and Blues: lightness falls evenly to both sides.
const DIVERGING: [[f64; 3]; 9] = [
    [8.0, 48.0, 107.0],
    [33.0, 102.0, 172.0],
    [84.0, 151.0, 200.0],
    [166.0, 206.0, 227.0],
    [247.0, 247.0, 245.0],
    [254.0, 217.0, 166.0],
    [241.0, 163.0, 64.0],
    [204.0, 102.0, 12.0],
    [127.0, 59.0, 8.0],
];

/// Colour of a series.
pub(super) fn series(index: usize) -> RGBColor {
    SERIES[index % SERIES.len()]
}

/// A series' colour mixed with white, for bands and further parts of a bar.
pub(super) fn tint(colour: RGBColor, strength: f64) -> RGBColor {
    let mix = |channel: u8| (255.0 - (255.0 - f64::from(channel)) * strength).round() as u8;
    RGBColor(mix(colour.0), mix(colour.1), mix(colour.2))
}

/// Viridis at 0..=1.
pub(super) fn sequential(position: f64) -> RGBColor {
    between(&VIRIDIS, position)
}

/// Blue at 0, white at 0.5, orange at 1.
pub(super) fn diverging(position: f64) -> RGBColor {
    between(&DIVERGING, position)
}

fn between(anchors: &[[f64; 3]], position: f64) -> RGBColor {
    let place = position.clamp(0.0, 1.0) * (anchors.len() - 1) as f64;
    let below = (place as usize).min(anchors.len() - 2);
    let weight = place - below as f64;
    let channel = |index: usize| {
        (anchors[below][index] + weight * (anchors[below + 1][index] - anchors[below][index])).round() as u8
    };
    RGBColor(channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle() {
        assert_eq!(sequential(0.0), RGBColor(68, 1, 84));
        assert_eq!(sequential(2.0), RGBColor(253, 231, 37));
        assert_eq!(diverging(0.5), RGBColor(247, 247, 245));
        assert_eq!(tint(RGBColor(0, 0, 0), 0.0), RGBColor(255, 255, 255));
    }
}
