//! Pages, cards, and cards beside each other.

use egui::{Align, Frame, Layout, Margin, Rect, ScrollArea, Stroke, Ui, UiBuilder, pos2, vec2};

use super::text::{heading, rich, title};
use crate::theme::{palette, tokens};

/// A card's place in a row: how tall the row is, and how tall the card would like to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    height: f32,
    natural: f32,
}

/// A page's title with what stands at its right.
pub fn page_header(ui: &mut Ui, name: &str, subtitle: &str, right: impl FnOnce(&mut Ui)) {
    let width = ui.available_width();
    ui.allocate_ui_with_layout(vec2(width, 44.0), Layout::right_to_left(Align::Center), |ui| {
        right(ui);
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            title(ui, name);
            let line = rich(subtitle, tokens::TYPE_BODY, None, palette(ui).muted);
            ui.add(egui::Label::new(line).truncate()).on_hover_text(subtitle);
        });
    });
    ui.add_space(tokens::GAP_SMALL);
}

/// Contents in the middle, no wider than is good to read.
pub fn page<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let width = ui.available_width().min(tokens::PAGE_WIDTH);
    let rect = Rect::from_min_size(ui.available_rect_before_wrap().min, vec2(width, ui.available_height()));
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.spacing_mut().item_spacing.y = tokens::GAP_SMALL;
        add(ui)
    })
    .inner
}

/// A page that scrolls. The bar stands in the page's padding, beside what it moves.
pub fn scroll_page<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let width = ui.available_width();
    let mut rect = ui.available_rect_before_wrap();
    rect.max.x += tokens::SCROLL_GUTTER;
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(width);
            let inner = page(ui, add);
            ui.add_space(tokens::GAP);
            inner
        })
    })
    .inner
    .inner
}

/// A card. In a [`flow`], all cards of a row are equally tall.
pub fn card<R>(ui: &mut Ui, slot: &mut Slot, add: impl FnOnce(&mut Ui) -> R) -> R {
    let palette = palette(ui);
    let padding = 2.0 * f32::from(tokens::CARD_PADDING) + 2.0;
    let frame = Frame::new()
        .fill(palette.card)
        .stroke(Stroke::new(1.0, palette.line))
        .corner_radius(tokens::RADIUS)
        .inner_margin(Margin::same(tokens::CARD_PADDING));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            let inner = add(ui);
            slot.natural = ui.min_rect().height() + padding;
            let bottom = ui.min_rect().top() + slot.height - padding;
            if bottom > ui.min_rect().bottom() {
                ui.expand_to_include_y(bottom);
            }
            inner
        })
        .inner
}

/// A card with a title and what stands at its right.
pub fn card_titled<R>(
    ui: &mut Ui,
    slot: &mut Slot,
    name: &str,
    right: impl FnOnce(&mut Ui),
    add: impl FnOnce(&mut Ui) -> R,
) -> R {
    card(ui, slot, |ui| {
        split_row(ui, 26.0, |ui| drop(heading(ui, name)), right);
        ui.add_space(2.0);
        add(ui)
    })
}

/// A row with something at the left, which gives way, and something at the right.
pub fn split_row(ui: &mut Ui, height: f32, left: impl FnOnce(&mut Ui), right: impl FnOnce(&mut Ui)) {
    let width = ui.available_width();
    ui.allocate_ui_with_layout(vec2(width, height), Layout::right_to_left(Align::Center), |ui| {
        right(ui);
        ui.with_layout(Layout::left_to_right(Align::Center), left);
    });
}

/// A sunken part of a card.
pub fn tile<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let palette = palette(ui);
    let frame = Frame::new().fill(palette.inset).corner_radius(tokens::RADIUS_SMALL).inner_margin(Margin::same(12));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            add(ui)
        })
        .inner
}

/// Things beside each other with these shares of the width, in as many rows as it takes to give each `least_width`.
pub fn flow(ui: &mut Ui, salt: &str, shares: &[f32], least_width: f32, mut add: impl FnMut(&mut Ui, usize, &mut Slot)) {
    let available = ui.available_width();
    let per_row = per_row(shares, available, least_width);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = tokens::GAP;
        for (row, chunk) in shares.chunks(per_row).enumerate() {
            let key = ui.scope_id().with((salt, row, per_row));
            let remembered = ui.data(|data| data.get_temp::<f32>(key)).unwrap_or(0.0);
            let origin = ui.available_rect_before_wrap().min;
            let room = available - tokens::GAP * (chunk.len() - 1) as f32;
            let total: f32 = chunk.iter().sum();
            let (mut x, mut natural, mut bottom) = (origin.x, 0.0_f32, origin.y);
            for (column, share) in chunk.iter().enumerate() {
                let width = (room * share / total).floor();
                let rect = Rect::from_min_size(pos2(x, origin.y), vec2(width, f32::INFINITY));
                let builder = UiBuilder::new().id_salt((salt, row, column)).max_rect(rect);
                let mut child = ui.new_child(builder.layout(Layout::top_down(Align::Min)));
                child.spacing_mut().item_spacing.y = tokens::GAP_SMALL;
                let mut slot = Slot { height: remembered, natural: 0.0 };
                add(&mut child, row * per_row + column, &mut slot);
                natural = natural.max(slot.natural);
                bottom = bottom.max(child.min_rect().bottom());
                x += width + tokens::GAP;
            }
            if (natural - remembered).abs() > 0.5 {
                ui.data_mut(|data| data.insert_temp(key, natural));
                ui.ctx().request_discard("cards of a row are made equally tall");
            }
            let used = Rect::from_min_max(origin, pos2(origin.x + available, bottom));
            ui.allocate_rect(used, egui::Sense::hover());
        }
    });
    ui.add_space(tokens::GAP - tokens::GAP_SMALL);
}

/// The most columns of which none is narrower than `least_width`, spread evenly over the rows.
fn per_row(shares: &[f32], available: f32, least_width: f32) -> usize {
    let wide = |columns: usize| {
        shares.chunks(columns).all(|row| {
            let room = available - tokens::GAP * (row.len() - 1) as f32;
            let total: f32 = row.iter().sum();
            row.iter().all(|share| room * share / total >= least_width)
        })
    };
    let most = (1..=shares.len()).rev().find(|columns| wide(*columns)).unwrap_or(1);
    shares.len().div_ceil(shares.len().div_ceil(most).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_narrower_than_it_may_be() {
        assert_eq!(per_row(&[1.0; 4], 1000.0, 200.0), 4);
        assert_eq!(per_row(&[1.0; 4], 780.0, 200.0), 2);
        assert_eq!(per_row(&[1.45, 1.0], 753.0, 360.0), 1);
        assert_eq!(per_row(&[1.0; 3], 10.0, 200.0), 1);
        assert_eq!(per_row(&[], 10.0, 200.0), 1);
    }
}
