//! Panels of curves.

use plotters::prelude::DrawingBackend;

use super::axis::Placed;
use super::canvas::{Align, Area, Canvas, Style};
use super::colour;
use crate::error::Result;
use crate::figure::{Lines, Series, Stroke};

const CURVE: f64 = 2.0;
const DOT: f64 = 3.2;

/// Axes of a panel on its plotting area.
pub(super) struct Axes {
    pub(super) x: Placed,
    pub(super) y: Placed,
    pub(super) area: Area,
}

impl Axes {
    fn point(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        Some([self.area.left + x * self.area.width(), self.area.bottom - y * self.area.height()])
    }

    /// Inside the plotting area, vertically.
    fn clipped(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        let [x, y] = self.point(point)?;
        Some([x, y.clamp(self.area.top - 1.0, self.area.bottom + 1.0)])
    }
}

/// Grid, frame, tick labels and axis labels. The vertical axis' label is above it, so that nobody tilts their head.
pub(super) fn axes<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    axes: &Axes,
    x_label: &str,
    y_label: &str,
    grid: bool,
) -> Result<()> {
    let Axes { x, y, area } = axes;
    for (place, label) in &x.ticks {
        let at = area.left + place * area.width();
        if grid {
            canvas.line(&[[at, area.top], [at, area.bottom]], colour::GRID, 1.0)?;
        }
        canvas.text(label, [at, area.bottom + 12.0], Style::TICK, Align::Centre)?;
    }
    for (place, label) in &y.ticks {
        let at = area.bottom - place * area.height();
        if grid {
            canvas.line(&[[area.left, at], [area.right, at]], colour::GRID, 1.0)?;
        }
        canvas.text(label, [area.left - 7.0, at], Style::TICK, Align::Right)?;
    }
    canvas.text(x_label, [(area.left + area.right) / 2.0, area.bottom + 30.0], Style::LABEL, Align::Centre)?;
    canvas.text(y_label, [area.left - 34.0, area.top - 13.0], Style::LABEL, Align::Left)
}

/// Height of the legend of a panel of this width.
pub(super) fn legend_height<DB: DrawingBackend>(canvas: &Canvas<DB>, lines: &Lines, width: f64) -> f64 {
    let rows = legend(canvas, lines, width).last().map_or(0.0, |entry| entry.1[1] + 1.0);
    rows * 18.0
}

/// Entries of the legend: series, and place as (pixels from the left, row).
fn legend<'a, DB: DrawingBackend>(canvas: &Canvas<DB>, lines: &'a Lines, width: f64) -> Vec<(&'a Series, [f64; 2])> {
    let (mut left, mut row) = (0.0, 0.0);
    let mut entries = Vec::new();
    for series in lines.series.iter().filter(|series| !series.name.is_empty()) {
        let wide = 26.0 + canvas.text_width(&series.name, Style::LABEL) + 18.0;
        if left > 0.0 && left + wide > width {
            (left, row) = (0.0, row + 1.0);
        }
        entries.push((series, [left, row]));
        left += wide;
    }
    entries
}

pub(super) fn draw_legend<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    lines: &Lines,
    at: [f64; 2],
    width: f64,
) -> Result<()> {
    for (series, [left, row]) in legend(canvas, lines, width) {
        let (x, y) = (at[0] + left, at[1] + row * 18.0);
        let sample = [[x, y], [x + 20.0, y]];
        let tone = colour::series(series.colour);
        match series.stroke {
            Stroke::Dots => canvas.dot([x + 10.0, y], DOT + 0.4, tone)?,
            Stroke::Dashed => canvas.dashed(&sample, tone, CURVE)?,
            Stroke::Solid | Stroke::Steps => canvas.line(&sample, tone, CURVE + 0.4)?,
        }
        canvas.text(&series.name, [x + 26.0, y], Style::LABEL, Align::Left)?;
    }
    Ok(())
}

/// Fits the axes of a panel to its curves and bands.
pub(super) fn fit(lines: &Lines, area: Area) -> Result<Axes> {
    let points = || lines.series.iter().flat_map(|series| series.points.iter());
    let bands = lines.series.iter().flat_map(|series| series.band.iter().flatten().copied());
    let x = Placed::fit(&lines.x, points().map(|point| point[0]))?;
    let y = Placed::fit(&lines.y, points().map(|point| point[1]).chain(bands))?;
    Ok(Axes { x, y, area })
}

pub(super) fn draw<DB: DrawingBackend>(canvas: &Canvas<DB>, lines: &Lines, placed: &Axes) -> Result<()> {
    axes(canvas, placed, &lines.x.label, &lines.y.label, true)?;
    // The line of zero stands out where there are both signs.
    let zero = (!lines.y.log).then(|| placed.y.place(0.0)).flatten().filter(|place| (0.0..=1.0).contains(place));
    if let Some(zero) = zero {
        let at = placed.area.bottom - zero * placed.area.height();
        canvas.line(&[[placed.area.left, at], [placed.area.right, at]], colour::FRAME, 1.5)?;
    }
    for series in &lines.series {
        curve(canvas, series, placed)?;
    }
    Ok(())
}

fn curve<DB: DrawingBackend>(canvas: &Canvas<DB>, series: &Series, placed: &Axes) -> Result<()> {
    let tone = colour::series(series.colour);
    let points: Vec<_> = series.points.iter().filter_map(|&point| placed.clipped(point)).collect();
    if series.stroke == Stroke::Dots {
        for (point, band) in series.points.iter().zip(&series.band) {
            if let (Some(low), Some(high)) = (placed.clipped([point[0], band[0]]), placed.clipped([point[0], band[1]]))
            {
                canvas.line(&[low, high], tone, 1.4)?;
                for end in [low, high] {
                    canvas.line(&[[end[0] - 3.0, end[1]], [end[0] + 3.0, end[1]]], tone, 1.4)?;
                }
            }
        }
        // Many dots are small ones.
        let radius = if points.len() > 60 { 0.6 * DOT } else { DOT + 0.8 * f64::from(u8::from(points.len() == 1)) };
        return points.iter().try_for_each(|&point| canvas.dot(point, radius, tone));
    }
    if series.band.len() == series.points.len() && !series.band.is_empty() {
        let side = |end: usize| {
            series
                .points
                .iter()
                .zip(&series.band)
                .filter_map(move |(point, band)| placed.clipped([point[0], band[end]]))
        };
        let mut outline: Vec<_> = side(0).collect();
        outline.extend(side(1).collect::<Vec<_>>().into_iter().rev());
        canvas.polygon(&outline, colour::tint(tone, 0.2))?;
    }
    match series.stroke {
        Stroke::Dashed => canvas.dashed(&points, tone, CURVE),
        Stroke::Steps => {
            let mut stairs = Vec::with_capacity(points.len() * 2);
            for &point in &points {
                if let Some(&before) = stairs.last() {
                    let [_, height]: [f64; 2] = before;
                    stairs.push([point[0], height]);
                }
                stairs.push(point);
            }
            canvas.line(&stairs, tone, CURVE)
        }
        Stroke::Solid | Stroke::Dots => canvas.line(&points, tone, CURVE),
    }
}
