//! The parts pages are made of. They draw what they are given and know no page.

mod button;
mod charts;
mod field;
mod layout;
mod meters;
mod picture;
mod states;
mod table;
mod text;

pub use button::{danger, ghost, icon_button, primary, secondary, tabs};
pub use charts::{Sparkline, chart, gauge, sparkline};
pub use field::{amount_field, choice, field, number, slider, text_area, text_field, toggle};
pub use layout::{Slot, card, card_titled, flow, page, page_header, scroll_page, split_row, tile};
pub use meters::{fact, legend, pill, progress, stat, usage_bar};
pub use picture::{Textures, picture};
pub use states::{empty, loadable, loading, problem_box, problem_state};
pub use table::{TableColumn, table};
pub use text::{
    body, digits, heading, icon, icon_disc, icon_tile, medium, mono, muted, number_text, rich, small, strong, title,
};
