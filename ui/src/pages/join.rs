//! Ways into a network: a link that lets others in, and the link of another network to go to.

use egui::Ui;

use crate::actions::{Action, Actions};
use crate::dialog::Dialog;
use crate::snapshot::{Loadable, Snapshot};
use crate::state::UiState;
use crate::theme::icons;
use crate::widgets::{Slot, card_titled, flow, icon_button, mono, muted, problem_box, secondary, small, text_field};

/// What every invitation begins with.
const SCHEME: &str = "infernet://join/";

/// Both cards.
pub(crate) fn invitations(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    flow(ui, "invitations", &[1.0, 1.0], 360.0, |ui, index, slot| match index {
        0 => invite(ui, slot, snapshot, actions),
        _ => join(ui, slot, snapshot, state),
    });
}

fn invite(ui: &mut Ui, slot: &mut Slot, snapshot: &Snapshot, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "Invite others",
        |_| {},
        |ui| {
            muted(
                ui,
                "Whoever opens your link in their InferNet belongs to this network. Send it to people you trust.",
            );
            match &snapshot.invitation {
                None => {}
                Some(Loadable::Loading) => drop(small(ui, "Making a link …")),
                Some(Loadable::Failed(problem)) => problem_box(ui, problem),
                Some(Loadable::Ready(link)) => {
                    ui.horizontal(|ui| {
                        if icon_button(ui, icons::COPY, "Copy the link").clicked() {
                            ui.ctx().copy_text(link.uri.clone());
                        }
                        mono(ui, link.uri.as_str());
                    });
                    if link.addresses.is_empty() {
                        small(ui, "It has no address of this node yet: make it again when others reach the node.");
                    }
                }
            }
            if secondary(ui, icons::USERS, "Make a link").clicked() {
                actions.push(Action::ShowInvitation);
            }
        },
    );
}

fn join(ui: &mut Ui, slot: &mut Slot, snapshot: &Snapshot, state: &mut UiState) {
    card_titled(
        ui,
        slot,
        "Join another network",
        |_| {},
        |ui| {
            if !snapshot.can_join {
                muted(ui, "Start the node again with the link: `infernet node --join LINK`.");
                return;
            }
            muted(ui, "With a link that someone sent you, this computer works for their network from now on.");
            text_field(ui, "Link", SCHEME, &mut state.join);
            let link = state.join.trim().to_owned();
            let can = link.len() > SCHEME.len() && link.starts_with(SCHEME);
            if !link.is_empty() && !can {
                small(ui, format!("A link begins with {SCHEME}"));
            }
            if ui.add_enabled_ui(can, |ui| secondary(ui, icons::PLUGS_CONNECTED, "Join")).inner.clicked() {
                state.dialog = Some(question(snapshot, link));
            }
        },
    );
}

/// What is asked before a node changes its network.
pub(crate) fn question(snapshot: &Snapshot, link: String) -> Dialog {
    let name = snapshot.status.ready().map_or("", |status| status.network.name.as_str());
    let text = "The node starts again as a member of the other network, with the same account. Credits and stake of the \
                present network stay there; its link brings you back. A clip that is being computed now is lost.";
    Dialog::new("Join this network?", text, "Join it", Action::Join(link)).fact("Present network", name)
}
