//! Network: who this node is connected to, how well, and whether others reach it.

use egui::{Align2, FontFamily, FontId, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use infernet_api::types::peer::{Peer, PeerConnection, PeerList};
use infernet_api::types::status::{Reachability, ReachabilityState, Role as NodeRole, Status};

use super::join::invitations;
use crate::actions::{Action, Actions};
use crate::app::reach_word;
use crate::format;
use crate::snapshot::{Part, Snapshot};
use crate::state::UiState;
use crate::theme::{ICONS, icons, palette, tokens};
use crate::widgets::{
    Slot, TableColumn, body, card_titled, digits, empty, fact, flow, icon_button, legend, loadable, medium, mono,
    muted, page_header, pill, scroll_page, small, table,
};

/// Most peers that are drawn in the map; the list has all.
const MAP_PEERS: usize = 24;

/// Draws the page.
pub(crate) fn network(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        let status = snapshot.status.ready();
        let name = status.map_or("", |status| status.network.name.as_str());
        let line = if name.is_empty() {
            "The nodes this one is connected to".to_owned()
        } else {
            format!("Network “{name}”")
        };
        page_header(ui, "Network", &line, |ui| {
            if icon_button(ui, icons::ARROW_CLOCKWISE, "Ask for the peers again").clicked() {
                actions.push(Action::Reload(Part::Peers));
            }
        });
        let Some(list) = loadable(ui, &snapshot.peers, "peers", Part::Peers, actions) else { return };
        flow(ui, "network", &[1.3, 1.0], 360.0, |ui, index, slot| match index {
            0 => map(ui, slot, list),
            _ => reach(ui, slot, &list.reachability, status),
        });
        invitations(ui, snapshot, state, actions);
        peers(ui, list, snapshot.now_unix_ms);
        banned(ui, list, snapshot.now_unix_ms);
    });
}

fn reach_colour(ui: &Ui, state: ReachabilityState) -> egui::Color32 {
    let colours = palette(ui);
    match state {
        ReachabilityState::Direct => colours.good,
        ReachabilityState::Relayed => colours.warn,
        ReachabilityState::Unreachable => colours.bad,
        ReachabilityState::Unknown => colours.muted,
    }
}

fn reach(ui: &mut Ui, slot: &mut Slot, reach: &Reachability, status: Option<&Status>) {
    let colour = reach_colour(ui, reach.state);
    let word = format::words(reach_word(reach.state));
    card_titled(
        ui,
        slot,
        "Can others reach this node?",
        |ui| drop(pill(ui, &word, colour)),
        |ui| {
            body(ui, &reach.reason);
            if !reach.next_step.is_empty() {
                small(ui, "What would make it better");
                muted(ui, &reach.next_step);
            }
            if let Some(status) = status {
                let validator = status.network.validator.map_or_else(|| "none known".to_owned(), |id| id.short());
                let here = if status.network.validator_connected { "connected" } else { "not connected" };
                fact(ui, "Validator", format!("{validator}, {here}"));
                fact(ui, "This node", status.node_id.short());
            }
            if !reach.addresses.is_empty() {
                small(ui, "Addresses");
            }
            for address in reach.addresses.iter().take(6) {
                ui.horizontal(|ui| {
                    if icon_button(ui, icons::COPY, &format!("Copy address {address}")).clicked() {
                        ui.ctx().copy_text(address.clone());
                    }
                    mono(ui, address);
                });
            }
        },
    );
}

/// Peers around this node: the nearer, the shorter the round trip; direct or through a relay by the line.
fn map(ui: &mut Ui, slot: &mut Slot, list: &PeerList) {
    let number = format::count(list.peers.len() as u64, "peer", "peers");
    card_titled(
        ui,
        slot,
        "Map",
        |ui| drop(small(ui, number)),
        |ui| {
            if list.peers.is_empty() {
                let text = "The node looks for others on the local network and at the addresses of its settings. A firewall that lets nothing out keeps it alone.";
                empty(ui, icons::GRAPH, "No peer yet", text, None);
                return;
            }
            let colours = palette(ui);
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 280.0), Sense::hover());
            let centre = rect.center();
            let half = vec2(rect.width() / 2.0 - 46.0, rect.height() / 2.0 - 24.0);
            let painter = ui.painter();
            for ring in [0.45, 0.95] {
                let points = (0..=72).map(|step| step as f32 / 72.0 * std::f32::consts::TAU);
                let points =
                    points.map(|angle| centre + vec2(angle.cos() * half.x, angle.sin() * half.y) * ring).collect();
                painter.line(points, Stroke::new(1.0, colours.line));
            }
            let shown = list.peers.len().min(MAP_PEERS);
            for (index, peer) in list.peers.iter().take(MAP_PEERS).enumerate() {
                let angle = (index as f32 + 0.5) / shown as f32 * std::f32::consts::TAU - std::f32::consts::FRAC_PI_2;
                let near = near(peer.rtt_ms);
                let at = centre + vec2(angle.cos() * half.x, angle.sin() * half.y) * near;
                let direct = peer.connection == PeerConnection::Direct;
                let line = Stroke::new(
                    1.4,
                    if direct { colours.good.gamma_multiply(0.5) } else { colours.warn.gamma_multiply(0.6) },
                );
                if direct {
                    painter.line_segment([centre, at], line);
                } else {
                    painter.extend(egui::Shape::dashed_line(&[centre, at], line, 5.0, 4.0));
                }
                painter.circle_filled(at, 11.0, colours.card);
                let (symbol, colour) = role_icon(ui, peer);
                painter.circle(at, 11.0, tokens::tint(colour), Stroke::new(1.2, colour));
                painter.text(
                    at,
                    Align2::CENTER_CENTER,
                    symbol,
                    FontId::new(13.0, FontFamily::Name(ICONS.into())),
                    colour,
                );
                if shown <= 14 {
                    let below = at + vec2(0.0, 19.0);
                    painter.text(below, Align2::CENTER_CENTER, peer.id.short(), FontId::monospace(10.0), colours.muted);
                }
            }
            painter.circle_filled(centre, 17.0, colours.accent);
            let font = FontId::new(19.0, FontFamily::Name(ICONS.into()));
            painter.text(
                pos2(centre.x, centre.y),
                Align2::CENTER_CENTER,
                icons::DESKTOP_TOWER,
                font,
                colours.on_accent,
            );
            let name = format!("Map of {} peers around this node", list.peers.len());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
            ui.horizontal_wrapped(|ui| {
                legend(ui, colours.good, "direct");
                legend(ui, colours.warn, "through a relay");
                legend(ui, colours.violet, "validator");
                legend(ui, colours.blue, "miner");
                small(ui, "nearer: shorter round trip");
            });
        },
    );
}

/// Share of the way to the edge: a logarithm of the round trip, 1 ms to 1 s.
fn near(rtt_ms: Option<f64>) -> f32 {
    let rtt = rtt_ms.filter(|rtt| rtt.is_finite() && *rtt > 0.0).unwrap_or(1000.0);
    (0.42 + 0.53 * (rtt.log10() / 3.0).clamp(0.0, 1.0)) as f32
}

fn role_icon(ui: &Ui, peer: &Peer) -> (char, egui::Color32) {
    let colours = palette(ui);
    if peer.roles.contains(&NodeRole::Validator) {
        (icons::SEAL_CHECK, colours.violet)
    } else if peer.roles.contains(&NodeRole::Miner) {
        (icons::GRAPHICS_CARD, colours.blue)
    } else {
        (icons::USERS, colours.muted)
    }
}

const COLUMNS: [TableColumn; 8] = [
    TableColumn::new("Peer", 84.0),
    TableColumn::new("Roles", 150.0),
    TableColumn::new("Connection", 100.0),
    TableColumn::new("Round trip", 84.0).right(),
    TableColumn::new("In", 96.0).right(),
    TableColumn::new("Out", 96.0).right(),
    TableColumn::new("Connected", 96.0),
    TableColumn::new("Address", 0.0),
];

fn peers(ui: &mut Ui, list: &PeerList, now: u64) {
    if list.peers.is_empty() {
        return;
    }
    card_titled(
        ui,
        &mut Slot::default(),
        "Links",
        |_| {},
        |ui| {
            table(ui, "peers", &COLUMNS, list.peers.len(), 360.0, None, |ui, row, column| {
                let peer = &list.peers[row];
                let unknown = || "-".to_owned();
                match column {
                    0 => drop(mono(ui, peer.id.short())),
                    1 => {
                        let roles: Vec<String> =
                            peer.roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
                        let text = if roles.is_empty() { "not said yet".to_owned() } else { roles.join(", ") };
                        small(ui, text).on_hover_text(&peer.agent);
                    }
                    2 => {
                        let direct = peer.connection == PeerConnection::Direct;
                        let colours = palette(ui);
                        medium(
                            ui,
                            if direct { "direct" } else { "relayed" },
                            if direct { colours.good } else { colours.warn },
                        );
                    }
                    3 => drop(digits(ui, peer.rtt_ms.map_or_else(unknown, |rtt| format!("{rtt:.0} ms")))),
                    4 => drop(digits(ui, peer.received_bytes_per_sec.map_or_else(unknown, format::rate))),
                    5 => drop(digits(ui, peer.sent_bytes_per_sec.map_or_else(unknown, format::rate))),
                    6 => drop(small(ui, format::ago(now, peer.connected_unix_ms))),
                    _ => drop(mono(ui, &peer.address)),
                }
            });
        },
    );
}

fn banned(ui: &mut Ui, list: &PeerList, now: u64) {
    if list.banned.is_empty() {
        return;
    }
    card_titled(
        ui,
        &mut Slot::default(),
        "Not spoken to",
        |_| {},
        |ui| {
            for peer in &list.banned {
                let left = peer.until_unix_ms.saturating_sub(now) / 1000;
                fact(
                    ui,
                    &format!("{}: {}", peer.id.short(), peer.reason),
                    format!("for {}", format::duration(left as f64)),
                );
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_way_is_farther_out() {
        assert!(near(Some(1.0)) < near(Some(30.0)) && near(Some(30.0)) < near(Some(400.0)));
        assert!((near(None) - near(Some(1e9))).abs() < 1e-6 && near(Some(f64::NAN)) <= 1.0);
    }
}
