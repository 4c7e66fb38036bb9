//! Drawing in logical pixels on any of the plotting library's back ends.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::colour;
use crate::error::{EconomicsError, Result};

pub(super) const FAMILY: &str = "sans-serif";

/// Where a text's point is: left, centre or right of it. Vertically always the middle.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Size, weight and colour of a text.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) colour: RGBColor,
}

impl Style {
    pub(super) const TITLE: Self = Self { size: 19.0, bold: true, colour: colour::INK };
    pub(super) const PANEL: Self = Self { size: 13.5, bold: true, colour: colour::INK };
    pub(super) const BODY: Self = Self { size: 12.5, bold: false, colour: colour::MUTED };
    pub(super) const LABEL: Self = Self { size: 11.5, bold: false, colour: colour::INK };
    pub(super) const TICK: Self = Self { size: 11.0, bold: false, colour: colour::MUTED };
}

/// A rectangle in logical pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// A drawing area and the size of a logical pixel in it.
pub(super) struct Canvas<'a, DB: DrawingBackend> {
    pub(super) area: &'a DrawingArea<DB, plotters::coord::Shift>,
    pub(super) scale: f64,
    /// How far down a text must move, in its sizes, to be in the middle: bitmaps centre the box, not the letters.
    pub(super) sink: f64,
}

impl<DB: DrawingBackend> Canvas<'_, DB> {
    fn at(&self, point: [f64; 2]) -> (i32, i32) {
        ((point[0] * self.scale).round() as i32, (point[1] * self.scale).round() as i32)
    }

    fn width(&self, width: f64) -> u32 {
        (width * self.scale).round().max(1.0) as u32
    }

    fn done<E: std::error::Error + Send + Sync>(
        outcome: std::result::Result<(), DrawingAreaErrorKind<E>>,
    ) -> Result<()> {
        outcome.map_err(|error| EconomicsError::Figure { reason: error.to_string() })
    }

    pub(super) fn line(&self, points: &[[f64; 2]], colour: RGBColor, width: f64) -> Result<()> {
        if points.len() < 2 {
            return Ok(());
        }
        let path: Vec<_> = points.iter().map(|&point| self.at(point)).collect();
        Self::done(self.area.draw(&PathElement::new(path, colour.stroke_width(self.width(width)))))
    }

    /// A line of dashes that keep their length around corners.
    pub(super) fn dashed(&self, points: &[[f64; 2]], colour: RGBColor, width: f64) -> Result<()> {
        const DASH: f64 = 7.0;
        const GAP: f64 = 5.0;
        let (mut dash, mut left, mut drawing) = (Vec::new(), DASH, true);
        for pair in points.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            if drawing && dash.is_empty() {
                dash.push(from);
            }
            loop {
                let length = (to[0] - from[0]).hypot(to[1] - from[1]);
                if length < left {
                    left -= length;
                    if drawing {
                        dash.push(to);
                    }
                    break;
                }
                let share = left / length;
                from = [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
                if drawing {
                    dash.push(from);
                    self.line(&dash, colour, width)?;
                    dash.clear();
                } else {
                    dash.push(from);
                }
                drawing = !drawing;
                left = if drawing { DASH } else { GAP };
            }
        }
        self.line(&dash, colour, width)
    }

    pub(super) fn polygon(&self, points: &[[f64; 2]], colour: RGBColor) -> Result<()> {
        let path: Vec<_> = points.iter().map(|&point| self.at(point)).collect();
        Self::done(self.area.draw(&Polygon::new(path, colour.filled())))
    }

    pub(super) fn fill(&self, area: Area, colour: RGBColor) -> Result<()> {
        let corners = [self.at([area.left, area.top]), self.at([area.right, area.bottom])];
        Self::done(self.area.draw(&Rectangle::new(corners, colour.filled())))
    }

    pub(super) fn frame(&self, area: Area, colour: RGBColor, width: f64) -> Result<()> {
        let Area { left, top, right, bottom } = area;
        self.line(&[[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], colour, width)
    }

    pub(super) fn dot(&self, centre: [f64; 2], radius: f64, colour: RGBColor) -> Result<()> {
        Self::done(self.area.draw(&Circle::new(self.at(centre), self.width(radius), colour.filled())))
    }

    pub(super) fn text(&self, text: &str, at: [f64; 2], style: Style, align: Align) -> Result<()> {
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let font = self.font(style).color(&style.colour).pos(Pos::new(horizontal, VPos::Center));
        Self::done(self.area.draw(&Text::new(text.to_owned(), self.at([at[0], at[1] + self.sink * style.size]), font)))
    }

    pub(super) fn text_width(&self, text: &str, style: Style) -> f64 {
        // Without a box the width is guessed: half an em a character.
        self.font(style)
            .box_size(text)
            .map_or(text.chars().count() as f64 * style.size * 0.5, |(width, _)| f64::from(width) / self.scale)
    }

    /// Text in lines of at most `width`, as far as its words allow.
    pub(super) fn wrapped(&self, text: &str, width: f64, style: Style) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let last = lines.len() - 1;
            let longer = if lines[last].is_empty() { word.to_owned() } else { format!("{} {word}", lines[last]) };
            if lines[last].is_empty() || self.text_width(&longer, style) <= width {
                lines[last] = longer;
            } else {
                lines.push(word.to_owned());
            }
        }
        lines
    }

    /// Wrapped text, from the middle of the first line down; returns the number of lines.
    pub(super) fn paragraph(&self, text: &str, at: [f64; 2], width: f64, style: Style) -> Result<usize> {
        let lines = self.wrapped(text, width, style);
        for (index, line) in lines.iter().enumerate() {
            self.text(line, [at[0], at[1] + index as f64 * style.size * 1.4], style, Align::Left)?;
        }
        Ok(lines.len())
    }

    fn font(&self, style: Style) -> FontDesc<'static> {
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        FontDesc::new(FontFamily::Name(FAMILY), style.size * self.scale, weight)
    }
}
