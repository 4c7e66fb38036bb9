//! Charts of one look.

use egui::epaint::{Mesh, PathShape, PathStroke};
use egui::{Align2, Color32, FontFamily, FontId, Pos2, Role, Sense, Shape, Ui, Vec2, WidgetInfo, pos2, vec2};
use egui_plot::{HoverPosition, Plot};

use crate::theme::{SEMIBOLD, palette, tokens};

/// Values over time, oldest first.
pub type Sparkline<'a> = &'a [f64];

/// A small line without axes.
pub fn sparkline(ui: &mut Ui, size: Vec2, values: Sparkline<'_>, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    if values.len() < 2 {
        return;
    }
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let span = if high > low { high - low } else { 1.0 };
    let inner = rect.shrink(2.0);
    let points: Vec<Pos2> = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let x = inner.left() + inner.width() * index as f32 / (values.len() - 1) as f32;
            pos2(x, inner.bottom() - inner.height() * ((value - low) / span) as f32)
        })
        .collect();
    let mut mesh = Mesh::default();
    for point in &points {
        mesh.colored_vertex(*point, colour.gamma_multiply(0.28));
        mesh.colored_vertex(pos2(point.x, rect.bottom()), colour.gamma_multiply(0.0));
    }
    for index in 0..points.len() as u32 - 1 {
        let at = 2 * index;
        mesh.add_triangle(at, at + 1, at + 2);
        mesh.add_triangle(at + 1, at + 3, at + 2);
    }
    ui.painter().add(Shape::mesh(mesh));
    ui.painter().add(PathShape::line(points, PathStroke::new(1.8, colour)));
}

/// An open ring that is full at 1, with a number in it.
pub fn gauge(ui: &mut Ui, diameter: f32, share: f64, text: &str, caption: &str, colour: Color32) {
    let (rect, response) = ui.allocate_exact_size(vec2(diameter, diameter * 0.88), Sense::hover());
    let centre = pos2(rect.center().x, rect.top() + diameter / 2.0);
    let radius = diameter / 2.0 - 7.0;
    let arc = |share: f32| -> Vec<Pos2> {
        let (start, sweep) = (0.75 * std::f32::consts::PI, 1.5 * std::f32::consts::PI);
        (0..=64)
            .map(|step| start + sweep * share * step as f32 / 64.0)
            .map(|angle| centre + radius * vec2(angle.cos(), angle.sin()))
            .collect()
    };
    let palette = palette(ui);
    let painter = ui.painter();
    painter.add(PathShape::line(arc(1.0), PathStroke::new(9.0, palette.line)));
    let share = share.clamp(0.0, 1.0) as f32;
    if share > 0.0 {
        painter.add(PathShape::line(arc(share), PathStroke::new(9.0, colour)));
    }
    let big = FontId::new(diameter * 0.19, FontFamily::Name(SEMIBOLD.into()));
    painter.text(centre, Align2::CENTER_CENTER, text, big, palette.text);
    let below = centre + vec2(0.0, diameter * 0.19);
    painter.text(below, Align2::CENTER_CENTER, caption, FontId::proportional(tokens::TYPE_SMALL), colour);
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, format!("{caption}: {text}")));
}

/// A plot that only shows: no dragging, no zooming, hover says what is under the pointer through `say`.
pub fn chart<'a>(ui: &Ui, id: &'a str, height: f32, say: impl Fn(&str, f64, f64) -> String + 'a) -> Plot<'a> {
    let colours = palette(ui);
    Plot::new(id)
        .height(height)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .show_background(false)
        .show_crosshair(false)
        .grid_color(colours.line_strong)
        .set_margin_fraction(vec2(0.01, 0.08))
        .cursor_color(colours.muted)
        .label_formatter(move |at| match at {
            HoverPosition::NearDataPoint { plot_name, position, .. } => Some(say(plot_name, position.x, position.y)),
            HoverPosition::Elsewhere { .. } => None,
        })
}
