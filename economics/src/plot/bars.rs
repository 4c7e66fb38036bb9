//! Panels of horizontal bars.

use plotters::prelude::DrawingBackend;

use super::axis::Placed;
use super::canvas::{Align, Area, Canvas, Style};
use super::colour;
use crate::error::Result;
use crate::figure::Bars;

/// Height of a bar with its gap.
pub(super) const ROW: f64 = 24.0;
/// Strength of the colours of a bar's parts.
const STRENGTHS: [f64; 6] = [1.0, 0.72, 0.48, 0.28, 0.14, 0.08];

/// Width of the widest bar's name.
pub(super) fn names_width<DB: DrawingBackend>(canvas: &Canvas<DB>, bars: &Bars) -> f64 {
    bars.bars.iter().map(|bar| canvas.text_width(&bar.name, Style::LABEL)).fold(0.0, f64::max) + 12.0
}

pub(super) fn draw<DB: DrawingBackend>(canvas: &Canvas<DB>, bars: &Bars, area: Area) -> Result<()> {
    let totals = bars.bars.iter().map(|bar| bar.parts.iter().sum::<f64>());
    let x = Placed::fit(&bars.x, totals.chain([0.0]))?;
    for (place, label) in &x.ticks {
        let at = area.left + place * area.width();
        canvas.line(&[[at, area.top], [at, area.bottom]], colour::GRID, 1.0)?;
        canvas.text(label, [at, area.bottom + 12.0], Style::TICK, Align::Centre)?;
    }
    canvas.text(&bars.x.label, [(area.left + area.right) / 2.0, area.bottom + 30.0], Style::LABEL, Align::Centre)?;
    for (index, bar) in bars.bars.iter().enumerate() {
        let middle = area.top + (index as f64 + 0.5) * ROW;
        let mut sum = 0.0;
        for (part, length) in bar.parts.iter().enumerate() {
            let (from, to) = (x.place(sum), x.place(sum + length));
            sum += length;
            if let (Some(from), Some(to)) = (from, to) {
                let along = |place: f64| area.left + place * area.width();
                let piece = Area { left: along(from), right: along(to), top: middle - 8.0, bottom: middle + 8.0 };
                canvas.fill(piece, colour::tint(colour::series(bar.colour), STRENGTHS[part.min(5)]))?;
            }
        }
        canvas.text(&bar.name, [area.left - 8.0, middle], Style::LABEL, Align::Right)?;
        if let Some(end) = x.place(sum) {
            let label = if sum < 10.0 { format!("{sum:.2}") } else { format!("{sum:.1}") };
            let at = area.left + end * area.width();
            let wide = canvas.text_width(&label, Style::TICK) + 6.0;
            // Beside the bar, or on its end when there is no room.
            if at + wide < area.right {
                canvas.text(&label, [at + 5.0, middle], Style::TICK, Align::Left)?;
            } else {
                canvas.text(
                    &label,
                    [at - 5.0, middle],
                    Style { colour: colour::PAPER, ..Style::TICK },
                    Align::Right,
                )?;
            }
        }
    }
    Ok(())
}

/// The legend of the parts, for bars that have more than one.
pub(super) fn draw_legend<DB: DrawingBackend>(canvas: &Canvas<DB>, bars: &Bars, at: [f64; 2]) -> Result<()> {
    if bars.parts.len() < 2 {
        return Ok(());
    }
    let tone = colour::series(bars.bars.first().map_or(0, |bar| bar.colour));
    let mut left = at[0];
    for (part, name) in bars.parts.iter().enumerate() {
        let sample = Area { left, top: at[1] - 5.0, right: left + 14.0, bottom: at[1] + 5.0 };
        canvas.fill(sample, colour::tint(tone, STRENGTHS[part.min(5)]))?;
        canvas.text(name, [left + 20.0, at[1]], Style::LABEL, Align::Left)?;
        left += 20.0 + canvas.text_width(name, Style::LABEL) + 18.0;
    }
    Ok(())
}
