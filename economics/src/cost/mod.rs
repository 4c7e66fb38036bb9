//! What a clip costs here, and on a rented GPU.

mod clip;
mod table;

pub use clip::{ClipCost, CostComparison, CostRequest, compare, cost_by_steps};
pub use table::{CloudOffer, Electricity, Figures, Gpu, PriceTable, SHIPPED_TABLE};
