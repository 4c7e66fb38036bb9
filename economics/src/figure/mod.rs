//! Figures as data: what to draw, not how. `plot` makes SVG and PNG of them; a window can draw the same data itself.

mod cost;
mod detection;
mod deterrence;
mod population;
mod security;
mod types;

pub use cost::{cost_bars, cost_steps};
pub use detection::{detection_curves, repeated_detection};
pub use deterrence::{frontier_figure, required_stake_figure};
pub use population::population_figure;
pub use security::{deposit_maps, economy_figure, model_map, security_maps, strategy_values};
pub use types::{Axis, Bar, Bars, Figure, HeatPanel, Lines, Panel, PanelKind, Scale, Series, Stroke};
