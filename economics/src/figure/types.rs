//! The types of figures.

use serde::{Deserialize, Serialize};

/// One picture of one or more panels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What is shown.
    pub title: String,
    /// How to read it, and the constants behind it.
    pub subtitle: String,
    /// Panels, row by row.
    pub panels: Vec<Panel>,
    /// Panels in a row.
    pub columns: usize,
}

/// One panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What sets it apart from the others; may be empty.
    pub title: String,
    /// Its contents.
    pub kind: PanelKind,
}

/// Contents of a panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PanelKind {
    /// Curves.
    Lines(Lines),
    /// A map of cells.
    HeatMap(HeatPanel),
    /// Horizontal bars.
    Bars(Bars),
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Logarithmic; values at or below 0 are left out.
    pub log: bool,
    /// Ends; from the data when none.
    pub range: Option<[f64; 2]>,
}

impl Axis {
    /// A linear axis with ends from the data.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), log: false, range: None }
    }

    /// A logarithmic axis with ends from the data.
    pub fn log(label: &str) -> Self {
        Self { label: label.to_owned(), log: true, range: None }
    }

    /// With fixed ends.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { range: Some([low, high]), ..self }
    }
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stroke {
    /// A line.
    Solid,
    /// A dashed line.
    Dashed,
    /// A line of steps.
    Steps,
    /// Dots.
    Dots,
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name in the legend; an empty one is left out there.
    pub name: String,
    /// Points, by rising x.
    pub points: Vec<[f64; 2]>,
    /// Lower and upper end of an interval at each point; empty for none.
    pub band: Vec<[f64; 2]>,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Index of its colour.
    pub colour: usize,
}

impl Series {
    /// A solid line.
    pub fn line(name: &str, colour: usize, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.to_owned(), points, band: Vec::new(), stroke: Stroke::Solid, colour }
    }

    /// Drawn otherwise.
    #[must_use]
    pub fn with(self, stroke: Stroke) -> Self {
        Self { stroke, ..self }
    }
}

/// Curves on common axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Curves.
    pub series: Vec<Series>,
}

/// The meaning of a heat map's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// From low to high.
    Sequential,
    /// From negative over 0 to positive.
    Diverging,
}

/// A map of cells; all heat maps of a figure share one colour scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatPanel {
    /// Horizontal axis.
    pub x_label: String,
    /// Its values, one for each column.
    pub x: Vec<f64>,
    /// Vertical axis.
    pub y_label: String,
    /// Its values, one for each row, the first at the bottom.
    pub y: Vec<f64>,
    /// `(y, x)`; none is drawn as missing.
    pub cells: Vec<Vec<Option<f64>>>,
    /// What the colours show, with the unit.
    pub value_label: String,
    /// Their meaning.
    pub scale: Scale,
}

/// Horizontal bars on a common axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// The axis.
    pub x: Axis,
    /// Bars, from the top.
    pub bars: Vec<Bar>,
    /// Names of the parts, in the legend.
    pub parts: Vec<String>,
}

/// One bar of parts, stacked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Length of each part.
    pub parts: Vec<f64>,
    /// Index of the first part's colour.
    pub colour: usize,
}
