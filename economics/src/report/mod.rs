//! Results as tables.

mod format;
mod table;

pub use format::short_number;
#[cfg(feature = "plot")]
pub(crate) use format::significant;
pub use table::{Cell, Column, Table};
