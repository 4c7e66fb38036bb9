//! Where things are in a figure.

use plotters::prelude::DrawingBackend;

use super::canvas::{Align, Area, Canvas, Style};
use super::colour;
use super::heat::{self, Colours};
use super::{bars, lines};
use crate::error::{EconomicsError, Result};
use crate::figure::{Figure, Panel, PanelKind};

const MARGIN: f64 = 26.0;
/// Left of a plotting area: tick labels.
const LEFT: f64 = 58.0;
/// Below a plotting area: tick labels and the axis label.
const BELOW: f64 = 48.0;
const PANEL_GAP: f64 = 26.0;

/// Size of a figure in logical pixels.
pub(super) fn size(figure: &Figure) -> (u32, u32) {
    let columns = figure.columns.max(1);
    let rows = figure.panels.len().div_ceil(columns);
    let bar_rows = |panel: &Panel| match &panel.kind {
        PanelKind::Bars(bars) => Some(bars.bars.len()),
        _ => None,
    };
    let height: f64 = if figure.panels.iter().all(|panel| bar_rows(panel).is_some()) {
        figure.panels.iter().filter_map(bar_rows).map(|rows| rows as f64 * bars::ROW + 116.0).sum()
    } else {
        rows as f64 * if columns == 1 { 430.0 } else { 352.0 }
    };
    let width = if columns == 1 { 860.0 } else { 1000.0 };
    (width as u32, (height + 100.0) as u32)
}

/// Draws everything.
pub(super) fn draw<DB: DrawingBackend>(canvas: &Canvas<DB>, figure: &Figure) -> Result<()> {
    if figure.panels.is_empty() {
        return Err(EconomicsError::Figure { reason: "it has no panels".to_owned() });
    }
    let (width, height) = size(figure);
    let (width, height) = (f64::from(width), f64::from(height));
    canvas.text(&figure.title, [MARGIN, 30.0], Style::TITLE, Align::Left)?;
    let text_lines = canvas.paragraph(&figure.subtitle, [MARGIN, 56.0], width - 2.0 * MARGIN, Style::BODY)?;
    let top = 56.0 + text_lines as f64 * Style::BODY.size * 1.4 + 4.0;
    let colours = Colours::of(figure)?;
    let right = width - MARGIN - if colours.is_some() { heat::BAR_WIDTH } else { 0.0 };
    let body = Area { left: MARGIN, top, right, bottom: height - 14.0 };
    if let Some(colours) = &colours {
        colours.draw(canvas, Area { left: right, right: width - MARGIN, ..body })?;
    }
    let columns = figure.columns.max(1);
    let rows = figure.panels.len().div_ceil(columns);
    let (wide, high) =
        ((body.width() - PANEL_GAP * (columns - 1) as f64) / columns as f64, body.height() / rows as f64);
    // All bars start at the same place, so that panels can be compared.
    let names = figure.panels.iter().map(|panel| match &panel.kind {
        PanelKind::Bars(bars) => bars::names_width(canvas, bars),
        _ => 0.0,
    });
    let names = names.fold(0.0, f64::max);
    let mut stacked = body.top;
    for (index, panel) in figure.panels.iter().enumerate() {
        let (column, row) = ((index % columns) as f64, (index / columns) as f64);
        let left = body.left + column * (wide + PANEL_GAP);
        let top = body.top + row * high;
        let mut area = Area { left, right: left + wide, top, bottom: top + high };
        if let PanelKind::Bars(bars) = &panel.kind {
            // Bars are as high as they are many.
            area.top = stacked;
            area.bottom = stacked + bars.bars.len() as f64 * bars::ROW + 108.0;
            stacked = area.bottom;
        }
        draw_panel(canvas, panel, area, colours.as_ref(), names)?;
    }
    Ok(())
}

fn draw_panel<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    panel: &Panel,
    area: Area,
    colours: Option<&Colours>,
    names: f64,
) -> Result<()> {
    let mut top = area.top + 6.0;
    if !panel.title.is_empty() {
        canvas.text(&panel.title, [area.left, top + 8.0], Style::PANEL, Align::Left)?;
        top += 26.0;
    }
    match &panel.kind {
        PanelKind::Lines(curves) => {
            let legend = lines::legend_height(canvas, curves, area.width());
            lines::draw_legend(canvas, curves, [area.left, top + 8.0], area.width())?;
            let plot = Area {
                left: area.left + LEFT,
                top: top + legend + 28.0,
                right: area.right - 8.0,
                bottom: area.bottom - BELOW,
            };
            lines::draw(canvas, curves, &lines::fit(curves, plot)?)
        }
        PanelKind::HeatMap(map) => {
            let plot =
                Area { left: area.left + LEFT, top: top + 24.0, right: area.right - 4.0, bottom: area.bottom - BELOW };
            // `colours` is there for every figure with a heat map.
            colours.map_or(Ok(()), |colours| heat::draw(canvas, map, plot, colours))
        }
        PanelKind::Bars(rows) => {
            bars::draw_legend(canvas, rows, [area.left, top + 8.0])?;
            let legend = if rows.parts.len() > 1 { 26.0 } else { 4.0 };
            let left = area.left + names;
            let plot = Area {
                left,
                top: top + legend,
                right: area.right - 8.0,
                bottom: top + legend + rows.bars.len() as f64 * bars::ROW,
            };
            canvas.line(&[[plot.left, plot.top], [plot.left, plot.bottom]], colour::FRAME, 1.0)?;
            bars::draw(canvas, rows, plot)
        }
    }
}
