//! Tables of which only the rows in sight are drawn.

use egui::{Align, Layout, Sense, Ui};
use egui_extras::{Column, TableBuilder};

use super::text::rich;
use crate::theme::{MEDIUM, palette, tokens};

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct TableColumn {
    name: &'static str,
    width: f32,
    right: bool,
}

impl TableColumn {
    /// Of this width; 0 takes what is left.
    #[must_use]
    pub const fn new(name: &'static str, width: f32) -> Self {
        Self { name, width, right: false }
    }

    /// For numbers.
    #[must_use]
    pub const fn right(self) -> Self {
        Self { right: true, ..self }
    }
}

/// Draws the rows in sight. `cell` is called with row and column; the row that was clicked is returned.
pub fn table(
    ui: &mut Ui,
    id: &str,
    columns: &[TableColumn],
    rows: usize,
    most_height: f32,
    selected: Option<usize>,
    mut cell: impl FnMut(&mut Ui, usize, usize),
) -> Option<usize> {
    let mut clicked = None;
    let height = (rows as f32 * (tokens::ROW_HEIGHT + 1.0)).min(most_height).max(tokens::ROW_HEIGHT);
    ui.scope(|ui| {
        let colours = palette(ui);
        ui.spacing_mut().item_spacing = egui::vec2(12.0, 1.0);
        ui.visuals_mut().selection.bg_fill = tokens::tint(colours.accent);
        let available = ui.available_width();
        let mut builder = TableBuilder::new(ui)
            .id_salt(id)
            .sense(Sense::click())
            .cell_layout(Layout::left_to_right(Align::Center))
            .auto_shrink([false, true])
            .min_scrolled_height(0.0)
            .max_scroll_height(height);
        // A narrow window takes from every column alike, so that nothing runs out of the card.
        let fixed: f32 = columns.iter().map(|column| column.width.max(120.0) + 12.0).sum();
        let shrink = (available / fixed).min(1.0);
        for column in columns {
            let width =
                if column.width > 0.0 { Column::exact((column.width * shrink).floor()) } else { Column::remainder() };
            builder = builder.column(width.clip(true));
        }
        let layout = |column: &TableColumn| {
            if column.right { Layout::right_to_left(Align::Center) } else { Layout::left_to_right(Align::Center) }
        };
        builder
            .header(26.0, |mut header| {
                for column in columns {
                    header.col(|ui| {
                        ui.with_layout(layout(column), |ui| {
                            let text = rich(column.name, tokens::TYPE_SMALL, Some(MEDIUM), palette(ui).muted);
                            ui.add(egui::Label::new(text).truncate());
                        });
                    });
                }
            })
            .body(|body| {
                body.rows(tokens::ROW_HEIGHT, rows, |mut row| {
                    let index = row.index();
                    row.set_selected(selected == Some(index));
                    for (number, column) in columns.iter().enumerate() {
                        row.col(|ui| {
                            ui.with_layout(layout(column), |ui| cell(ui, index, number));
                        });
                    }
                    if row.response().clicked() {
                        clicked = Some(index);
                    }
                });
            });
    });
    clicked
}
