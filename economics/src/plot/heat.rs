//! Heat maps.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::Placed;
use super::canvas::{Align, Area, Canvas, Style};
use super::colour;
use crate::error::{EconomicsError, Result};
use crate::figure::{Axis, Figure, HeatPanel, PanelKind, Scale};
use crate::report::short_number;

/// Room for the colour bar at a figure's right edge.
pub(super) const BAR_WIDTH: f64 = 118.0;
/// Most labels along an axis of cells.
const MOST_LABELS: usize = 8;

/// The colour scale that all heat maps of a figure share.
pub(super) struct Colours {
    scale: Scale,
    low: f64,
    high: f64,
    label: String,
}

impl Colours {
    /// From all heat maps of a figure; none when it has none.
    pub(super) fn of(figure: &Figure) -> Result<Option<Self>> {
        let mut maps = figure.panels.iter().filter_map(|panel| match &panel.kind {
            PanelKind::HeatMap(map) => Some(map),
            _ => None,
        });
        let Some(first) = maps.next() else { return Ok(None) };
        let values = || {
            let cells = |map: &HeatPanel| map.cells.clone().into_iter().flatten().flatten();
            figure.panels.iter().flat_map(move |panel| match &panel.kind {
                PanelKind::HeatMap(map) => cells(map).collect::<Vec<_>>(),
                _ => Vec::new(),
            })
        };
        let finite = values().filter(|value| value.is_finite());
        let (low, high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Err(EconomicsError::Figure { reason: "a heat map has no values".to_owned() });
        }
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        Ok(Some(Self { scale: first.scale, low, high, label: first.value_label.clone() }))
    }

    fn colour(&self, value: f64) -> RGBColor {
        match self.scale {
            Scale::Sequential => colour::sequential((value - self.low) / (self.high - self.low)),
            Scale::Diverging => {
                let most = self.low.abs().max(self.high.abs());
                colour::diverging(0.5 + 0.5 * value / most)
            }
        }
    }

    /// The bar beside the panels.
    pub(super) fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>, area: Area) -> Result<()> {
        const STRIPES: usize = 120;
        let height = area.height().min(320.0);
        let top = area.top + (area.height() - height) / 2.0;
        let bar = Area { left: area.left + 18.0, top, right: area.left + 34.0, bottom: top + height };
        for stripe in 0..STRIPES {
            let at = |index: usize| bar.bottom - bar.height() * index as f64 / STRIPES as f64;
            let value = self.low + (self.high - self.low) * (stripe as f64 + 0.5) / STRIPES as f64;
            // Stripes overlap: viewers that smooth edges would show the paper between them.
            let piece = Area { top: at(stripe + 1), bottom: (at(stripe) + 0.6).min(bar.bottom), ..bar };
            canvas.fill(piece, self.colour(value))?;
        }
        canvas.frame(bar, colour::FRAME, 1.0)?;
        let axis = Placed::fit(&Axis::linear(&self.label).within(self.low, self.high), std::iter::empty())?;
        for (place, label) in &axis.ticks {
            let at = bar.bottom - place * bar.height();
            canvas.line(&[[bar.right, at], [bar.right + 4.0, at]], colour::FRAME, 1.0)?;
            canvas.text(label, [bar.right + 8.0, at], Style::TICK, Align::Left)?;
        }
        let room = BAR_WIDTH - 12.0;
        let lines = canvas.wrapped(&self.label, room, Style::LABEL).len() as f64;
        canvas.paragraph(&self.label, [area.left + 14.0, top + 2.0 - lines * 16.1], room, Style::LABEL).map(drop)
    }
}

pub(super) fn draw<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    map: &HeatPanel,
    area: Area,
    colours: &Colours,
) -> Result<()> {
    let (columns, rows) = (map.x.len(), map.y.len());
    if columns == 0 || rows == 0 || map.cells.len() != rows || map.cells.iter().any(|row| row.len() != columns) {
        return Err(EconomicsError::Figure { reason: "a heat map's cells do not fit its axes".to_owned() });
    }
    // Edges on whole pixels: no light seams between cells.
    let edge =
        |from: f64, to: f64, index: usize, count: usize| (from + (to - from) * index as f64 / count as f64).round();
    let cell = |column: usize, row: usize| Area {
        left: edge(area.left, area.right, column, columns),
        right: edge(area.left, area.right, column + 1, columns),
        top: edge(area.bottom, area.top, row + 1, rows),
        bottom: edge(area.bottom, area.top, row, rows),
    };
    for (row, values) in map.cells.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            let tone = value.filter(|value| value.is_finite()).map_or(colour::MISSING, |value| colours.colour(value));
            canvas.fill(cell(column, row), tone)?;
        }
    }
    if colours.scale == Scale::Diverging {
        zero_line(canvas, map, cell)?;
    }
    canvas.frame(area, colour::FRAME, 1.0)?;
    let every = |count: usize| count.div_ceil(MOST_LABELS);
    for (column, value) in map.x.iter().enumerate().step_by(every(columns)) {
        let place = cell(column, 0);
        canvas.text(
            &short_number(*value),
            [(place.left + place.right) / 2.0, area.bottom + 12.0],
            Style::TICK,
            Align::Centre,
        )?;
    }
    for (row, value) in map.y.iter().enumerate().step_by(every(rows)) {
        let place = cell(0, row);
        canvas.text(
            &short_number(*value),
            [area.left - 7.0, (place.top + place.bottom) / 2.0],
            Style::TICK,
            Align::Right,
        )?;
    }
    canvas.text(&map.x_label, [(area.left + area.right) / 2.0, area.bottom + 30.0], Style::LABEL, Align::Centre)?;
    canvas.text(&map.y_label, [area.left - 34.0, area.top - 13.0], Style::LABEL, Align::Left)
}

/// A dark line between cells of different sign.
fn zero_line<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    map: &HeatPanel,
    cell: impl Fn(usize, usize) -> Area,
) -> Result<()> {
    let sign = |column: usize, row: usize| map.cells[row][column].map(|value| value >= 0.0);
    let differ = |a: Option<bool>, b: Option<bool>| matches!((a, b), (Some(a), Some(b)) if a != b);
    for row in 0..map.y.len() {
        for column in 0..map.x.len() {
            let here = cell(column, row);
            if column > 0 && differ(sign(column, row), sign(column - 1, row)) {
                canvas.line(&[[here.left, here.top], [here.left, here.bottom]], colour::INK, 2.0)?;
            }
            if row > 0 && differ(sign(column, row), sign(column, row - 1)) {
                canvas.line(&[[here.left, here.bottom], [here.right, here.bottom]], colour::INK, 2.0)?;
            }
        }
    }
    Ok(())
}
