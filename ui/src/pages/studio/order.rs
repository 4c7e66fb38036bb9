//! The order form and its price.

use egui::Ui;
use infernet_api::ModelId;
use infernet_api::types::job::{Job, MAX_FRAMES, MAX_SIDE, MAX_STEPS, NewJob, Quote};
use infernet_api::types::model::{Model, ModelState};

use crate::actions::{Action, Actions};
use crate::dialog::Dialog;
use crate::format;
use crate::snapshot::{Loadable, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette};
use crate::widgets::{
    Slot, card_titled, choice, empty, fact, flow, muted, number, primary, problem_box, secondary, slider, small,
    text_area, text_field, tile,
};

/// What is typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderForm {
    pub(crate) prompt: String,
    negative: String,
    model: Option<ModelId>,
    numbers: Option<Numbers>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbers {
    width: u32,
    height: u32,
    frames: u32,
    steps: u32,
    guidance: f64,
}

impl Numbers {
    fn of(model: &Model) -> Self {
        let size = &model.defaults;
        let guidance = f64::from(size.guidance);
        Self { width: size.width, height: size.height, frames: size.frames, steps: size.steps, guidance }
    }
}

impl OrderForm {
    /// The same order as a job's.
    pub(crate) fn again(&mut self, job: &Job) {
        self.prompt = job.prompt.clone().unwrap_or_default();
        self.negative = job.negative_prompt.clone().unwrap_or_default();
        self.model.clone_from(&job.model);
        let size = &job.size;
        let guidance = f64::from(size.guidance);
        self.numbers =
            Some(Numbers { width: size.width, height: size.height, frames: size.frames, steps: size.steps, guidance });
    }

    fn order(&self) -> Option<NewJob> {
        let (model, numbers) = (self.model.clone()?, self.numbers?);
        let mut order = NewJob::new(model, self.prompt.trim());
        order.negative_prompt = self.negative.trim().to_owned();
        (order.width, order.height) = (Some(numbers.width), Some(numbers.height));
        (order.frames, order.steps) = (Some(numbers.frames), Some(numbers.steps));
        order.guidance = Some(numbers.guidance as f32);
        Some(order)
    }
}

/// Draws the form.
pub(super) fn order_form(
    ui: &mut Ui,
    slot: &mut Slot,
    snapshot: &Snapshot,
    models: &[Model],
    state: &mut UiState,
    actions: &mut Actions,
) {
    let form = &mut state.studio.form;
    if form.model.is_none()
        && let Some(model) =
            models.iter().find(|model| matches!(model.state, ModelState::Installed { .. })).or(models.first())
    {
        form.model = Some(model.id.clone());
    }
    card_titled(
        ui,
        slot,
        "New clip",
        |_| {},
        |ui| {
            let form = &mut state.studio.form;
            if models.is_empty() {
                empty(
                    ui,
                    icons::CUBE,
                    "No model to order from",
                    "The node knows no model yet; see the page Models.",
                    None,
                );
                return;
            }
            text_area(ui, "Prompt", "What the clip should show", 3, &mut form.prompt);
            text_field(ui, "Negative prompt", "What it should not show", &mut form.negative);
            let all: Vec<_> = models.iter().map(|model| (Some(model.id.clone()), model.name.clone())).collect();
            let changed = choice(ui, "Model", &mut form.model, &all);
            let Some(model) = models.iter().find(|model| Some(&model.id) == form.model.as_ref()) else { return };
            if changed || form.numbers.is_none() {
                form.numbers = Some(Numbers::of(model));
            }
            if let Some(numbers) = &mut form.numbers {
                presets(ui, model, numbers);
                numbers_ui(ui, numbers);
            }
            price(ui, snapshot, state, actions);
        },
    );
}

fn presets(ui: &mut Ui, model: &Model, numbers: &mut Numbers) {
    ui.horizontal_wrapped(|ui| {
        small(ui, "Presets");
        let usual = Numbers::of(model);
        if secondary(ui, None, "Usual").clicked() {
            *numbers = usual;
        }
        if secondary(ui, None, "Draft").clicked() {
            *numbers = Numbers { steps: (usual.steps / 2).max(1), ..usual };
        }
        if secondary(ui, None, "Fine").clicked() {
            *numbers = Numbers { steps: (usual.steps * 2).min(MAX_STEPS), ..usual };
        }
    });
}

fn numbers_ui(ui: &mut Ui, numbers: &mut Numbers) {
    ui.columns(4, |columns| {
        number(&mut columns[0], "Width", &mut numbers.width, 1..=MAX_SIDE, "px");
        number(&mut columns[1], "Height", &mut numbers.height, 1..=MAX_SIDE, "px");
        number(&mut columns[2], "Frames", &mut numbers.frames, 1..=MAX_FRAMES, "");
        number(&mut columns[3], "Steps", &mut numbers.steps, 1..=MAX_STEPS, "");
    });
    slider(ui, "Guidance", &mut numbers.guidance, 0.0..=20.0, 0.5, false, |value| {
        if value <= 1.0 { format!("{value:.1} (off)") } else { format!("{value:.1}") }
    });
    muted(
        ui,
        "Nobody chooses the seed: miner and validator draw it together, so that a clip can't be made in advance.",
    );
}

fn price(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let Some(order) = state.studio.form.order() else { return };
    let wrong = order.check().err();
    let quoted = snapshot.quoted.as_ref().filter(|quoted| same(&quoted.order, &order));
    if let Some(error) = wrong.filter(|_| !order.prompt.is_empty()) {
        small(ui, error.message);
        return;
    }
    match quoted.map(|quoted| &quoted.quote) {
        Some(Loadable::Ready(quote)) => quote_ui(ui, &order, quote, state),
        Some(Loadable::Loading) => drop(muted(ui, "Asking for the price …")),
        Some(Loadable::Failed(problem)) => {
            problem_box(ui, problem);
            ask(ui, order, actions);
        }
        None => ask(ui, order, actions),
    }
}

/// A quote holds as long as nothing that costs was changed.
fn same(quoted: &NewJob, order: &NewJob) -> bool {
    let bare = |job: &NewJob| NewJob { request_id: None, ..job.clone() };
    bare(quoted) == bare(order)
}

fn ask(ui: &mut Ui, order: NewJob, actions: &mut Actions) {
    ui.add_enabled_ui(!order.prompt.is_empty(), |ui| {
        if primary(ui, icons::TAG, "Show the price").clicked() {
            actions.push(Action::Quote(order));
        }
    });
}

fn quote_ui(ui: &mut Ui, order: &NewJob, quote: &Quote, state: &mut UiState) {
    let deposit = quote.suggested_deposit_microcredits;
    let enough = quote.balance_microcredits >= deposit;
    let time = quote.seconds.map_or_else(|| "not known yet".to_owned(), format::duration);
    tile(ui, |ui| {
        flow(ui, "quote", &[1.0, 1.0], 150.0, |ui, index, _| match index {
            0 => {
                fact(ui, "Deposit", format::credits(deposit));
                fact(ui, "Of it to the miner", format::credits(quote.fee_microcredits));
            }
            _ => {
                fact(ui, "Time, estimated", time.as_str());
                fact(ui, "Miners able", format::grouped(u64::from(quote.miners_able)));
            }
        });
        if !enough {
            let text = format!(
                "Your balance is {}: too little for this deposit.",
                format::credits(quote.balance_microcredits)
            );
            let colour = palette(ui).bad;
            crate::widgets::medium(ui, text, colour);
        }
    });
    let mut clicked = false;
    ui.add_enabled_ui(enough, |ui| clicked = primary(ui, icons::SPARKLE, "Order this clip").clicked());
    if clicked {
        let mut order = order.clone();
        order.request_id = Some(state.request_ids.next_id());
        order.deposit_microcredits = Some(deposit);
        let text = "The deposit goes into escrow. The miner is paid from it once the audit is over; if none delivers, it comes back.";
        let dialog = Dialog::new("Order this clip?", text, "Pay deposit and order", Action::Submit(order.clone()));
        let left = quote.balance_microcredits.saturating_sub(deposit);
        state.dialog = Some(
            dialog
                .fact("Deposit", format::credits(deposit))
                .fact("Balance after it", format::credits(left))
                .fact("Longest time", format::duration(f64::from(quote.suggested_deadline_secs))),
        );
    }
}
