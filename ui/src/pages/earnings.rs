//! Earnings and stake: what came in, what is locked, and moving it.

use egui::Ui;
use egui_plot::{Bar, BarChart};
use infernet_api::types::money::{
    Bucket, ChainTransaction, ChainTransactionState, Earnings, EarningsBucket, Receipt, ReceiptList, StakeAction,
    StakeInfo,
};

use crate::actions::{Action, Actions};
use crate::dialog::Dialog;
use crate::format;
use crate::snapshot::{Loadable, Part, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette, tokens};
use crate::widgets::{
    Slot, TableColumn, amount_field, card_titled, chart, digits, empty, fact, flow, icon_button, legend, loadable,
    medium, mono, muted, page_header, primary, progress, scroll_page, secondary, slider, small, stat, table, tabs,
};

/// What is typed and chosen.
#[derive(Clone, Debug)]
pub struct EarningsState {
    amount: String,
    receipt: Option<u64>,
    credits_per_kwh: f64,
}

impl Default for EarningsState {
    fn default() -> Self {
        Self { amount: String::new(), receipt: None, credits_per_kwh: 0.30 }
    }
}

/// Draws the page.
pub(crate) fn earnings(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        page_header(ui, "Earnings & stake", "Amounts in credits (cr), to the millionth", |_| {});
        let Some(earnings) = loadable(ui, &snapshot.earnings, "earnings", Part::Earnings, actions) else { return };
        totals(ui, earnings);
        flow(ui, "money", &[1.45, 1.0], 360.0, |ui, index, slot| match index {
            0 => over_time(ui, slot, earnings, snapshot, state, actions),
            _ => stake(ui, slot, earnings, snapshot, state, actions),
        });
        transactions(ui, &earnings.transactions);
        receipts(ui, snapshot, state, actions);
    });
}

fn totals(ui: &mut Ui, earnings: &Earnings) {
    let colours = palette(ui);
    let all = [
        (icons::WALLET, colours.blue, "Balance, can be spent", earnings.balance_microcredits),
        (icons::HOURGLASS_MEDIUM, colours.warn, "Pending, jobs not settled", earnings.pending_microcredits),
        (icons::SEAL_CHECK, colours.good, "Verified, can be claimed", earnings.claimable_microcredits),
        (icons::COINS, colours.accent, "Earned in all", earnings.total_earned_microcredits),
    ];
    flow(ui, "totals", &[1.0; 4], 210.0, |ui, index, slot| {
        let (symbol, colour, name, amount) = all[index];
        stat(ui, slot, (symbol, colour), name, &format::credits(amount), None, None);
    });
}

/// What a bar's energy costs, in credits; for drawing only.
fn power_cost(bucket: &EarningsBucket, credits_per_kwh: f64) -> f64 {
    bucket.energy_watt_hours.unwrap_or(0.0) / 1000.0 * credits_per_kwh
}

fn over_time(
    ui: &mut Ui,
    slot: &mut Slot,
    earnings: &Earnings,
    snapshot: &Snapshot,
    state: &mut UiState,
    actions: &mut Actions,
) {
    let shown = snapshot.bucket;
    let mut bucket = shown;
    let all = [(Bucket::Hour, "Hour"), (Bucket::Day, "Day"), (Bucket::Week, "Week"), (Bucket::Month, "Month")];
    let mut changed = false;
    card_titled(
        ui,
        slot,
        "Over time",
        |ui| changed = tabs(ui, &mut bucket, &all),
        |ui| {
            let colours = palette(ui);
            if earnings.buckets.iter().all(|bucket| bucket.earned_microcredits == 0 && bucket.slashed_microcredits == 0)
            {
                let text = "Each settled job adds to a bar of this chart.";
                empty(ui, icons::COINS, "Nothing earned in this time", text, None);
                return;
            }
            let price = state.earnings.credits_per_kwh;
            let bars = |pick: &dyn Fn(&EarningsBucket) -> f64| -> Vec<Bar> {
                let each = |(index, bucket): (usize, &EarningsBucket)| Bar::new(index as f64, pick(bucket)).width(0.66);
                earnings.buckets.iter().enumerate().map(each).collect()
            };
            let earned = bars(&|bucket| bucket.earned_microcredits as f64 / 1e6);
            let power = bars(&|bucket| -power_cost(bucket, price));
            let lost = bars(&|bucket| -(bucket.slashed_microcredits as f64) / 1e6);
            let names: Vec<String> = earnings
                .buckets
                .iter()
                .map(|each| {
                    if shown == Bucket::Hour {
                        format::clock(each.start_unix_ms)[..5].to_owned()
                    } else {
                        format::day(each.start_unix_ms)
                    }
                })
                .collect();
            let axis = names.clone();
            let name_at = move |x: f64| names.get(x.round().max(0.0) as usize).cloned().unwrap_or_default();
            chart(ui, "earnings", 210.0, move |_, x, y| format!("{}: {y:.4} cr", name_at(x)))
                .include_y(0.0)
                .y_axis_formatter(|mark, _| format!("{} cr", (mark.value * 1e4).round() / 1e4))
                .y_axis_min_width(60.0)
                .x_axis_formatter(move |mark, _| {
                    let whole = mark.value.fract() == 0.0 && mark.value >= 0.0;
                    if whole { axis.get(mark.value as usize).cloned().unwrap_or_default() } else { String::new() }
                })
                .show(ui, |plot| {
                    plot.bar_chart(BarChart::new("Earned", earned).color(colours.good));
                    plot.bar_chart(BarChart::new("Electricity", power).color(colours.violet));
                    plot.bar_chart(BarChart::new("Slashed", lost).color(colours.bad));
                });
            ui.horizontal_wrapped(|ui| {
                legend(ui, colours.good, "earned");
                legend(ui, colours.violet, "electricity, estimated");
                legend(ui, colours.bad, "slashed");
            });
            let name = "Price of electricity, for the estimate";
            slider(ui, name, &mut state.earnings.credits_per_kwh, 0.0..=1.0, 0.01, false, |v| format!("{v:.2} cr/kWh"));
            let known = earnings.buckets.iter().any(|bucket| bucket.energy_watt_hours.is_some());
            let sum: f64 =
                earnings.buckets.iter().map(|bucket| power_cost(bucket, state.earnings.credits_per_kwh)).sum();
            let gained: u64 =
                earnings.buckets.iter().map(|bucket| bucket.earned_microcredits).fold(0, u64::saturating_add);
            let net = if known {
                format!("≈ {:.4} cr", gained as f64 / 1e6 - sum)
            } else {
                "the device does not tell its power".to_owned()
            };
            fact(ui, "Earned less electricity", net);
        },
    );
    if changed {
        actions.push(Action::SetBucket(bucket));
    }
}

fn stake(
    ui: &mut Ui,
    slot: &mut Slot,
    earnings: &Earnings,
    snapshot: &Snapshot,
    state: &mut UiState,
    actions: &mut Actions,
) {
    card_titled(
        ui,
        slot,
        "Stake",
        |_| {},
        |ui| {
            claim(ui, earnings, state);
            match &snapshot.stake {
                Loadable::Ready(stake) => stake_ui(ui, stake, snapshot, state),
                Loadable::Loading => drop(muted(ui, "Asking the validator …")),
                Loadable::Failed(problem) => {
                    crate::widgets::problem_box(ui, problem);
                    if secondary(ui, icons::ARROW_CLOCKWISE, "Try again").clicked() {
                        actions.push(Action::Reload(Part::Stake));
                    }
                }
            }
        },
    );
}

fn claim(ui: &mut Ui, earnings: &Earnings, state: &mut UiState) {
    let amount = earnings.claimable_microcredits;
    let mut clicked = false;
    ui.add_enabled_ui(amount > 0, |ui| clicked = primary(ui, icons::HAND_COINS, "Claim rewards").clicked());
    if clicked {
        let action = Action::Claim { request_id: state.request_ids.next_id() };
        let dialog = Dialog::new("Claim your rewards?", "They move to your balance.", "Claim", action);
        state.dialog = Some(dialog.fact("Amount", format::credits(amount)));
    }
}

fn stake_ui(ui: &mut Ui, stake: &StakeInfo, snapshot: &Snapshot, state: &mut UiState) {
    let colours = palette(ui);
    let all = stake.free_microcredits.saturating_add(stake.locked_microcredits);
    fact(ui, "Free", format::credits(stake.free_microcredits));
    fact(ui, "Locked for jobs", format::credits(stake.locked_microcredits));
    progress(
        ui,
        stake.locked_microcredits as f64 / all.max(1) as f64,
        colours.warn,
        "Share of the stake that is locked",
    );
    if let Some(usual) = stake.usual_lock_microcredits {
        fact(ui, "A usual job locks", format::credits(usual));
    }
    for unstaking in &stake.unstaking {
        let left = unstaking.free_at_unix_ms.saturating_sub(snapshot.now_unix_ms) / 1000;
        let when =
            if left == 0 { "can be withdrawn".to_owned() } else { format!("in {}", format::duration(left as f64)) };
        fact(ui, &format!("On its way back, {when}"), format::credits(unstaking.amount_microcredits));
    }
    let amount = amount_field(ui, "Amount in credits", &mut state.earnings.amount);
    let cool_down = format::duration(stake.cool_down_secs as f64);
    let withdraw = stake.unstaking.iter().any(|each| each.free_at_unix_ms <= snapshot.now_unix_ms);
    let mut asked = None;
    ui.horizontal_wrapped(|ui| {
        ui.add_enabled_ui(amount.is_some_and(|amount| amount <= stake.balance_microcredits), |ui| {
            if secondary(ui, icons::LOCK, "Stake").clicked() {
                asked = Some(StakeAction::Stake);
            }
        });
        ui.add_enabled_ui(amount.is_some_and(|amount| amount <= stake.free_microcredits), |ui| {
            if secondary(ui, icons::LOCK_OPEN, "Unstake").clicked() {
                asked = Some(StakeAction::Unstake);
            }
        });
        ui.add_enabled_ui(withdraw, |ui| {
            if secondary(ui, icons::WALLET, "Withdraw").clicked() {
                asked = Some(StakeAction::Withdraw);
            }
        });
    });
    small(ui, format!("Unstaking takes {cool_down}; until then it can still be slashed."));
    if let Some(action) = asked {
        state.dialog = Some(stake_dialog(action, amount, &cool_down, state.request_ids.next_id()));
    }
}

fn stake_dialog(
    action: StakeAction,
    amount: Option<u64>,
    cool_down: &str,
    request_id: infernet_api::RequestId,
) -> Dialog {
    let amount = amount.filter(|_| action != StakeAction::Withdraw);
    let (title, text, word) = match action {
        StakeAction::Stake => (
            "Stake this amount?",
            "Stake is locked for each job you take, and part of it is lost if you cheat.",
            "Stake",
        ),
        StakeAction::Unstake => (
            "Unstake this amount?",
            "It goes back to your balance after a cool-down, in which it earns you no jobs.",
            "Unstake",
        ),
        StakeAction::Withdraw => {
            ("Withdraw what is free?", "What has passed its cool-down moves to your balance.", "Withdraw")
        }
    };
    let dialog =
        Dialog::new(title, text, word, Action::ChangeStake { request_id, action, amount_microcredits: amount });
    let dialog = dialog.fact("Amount", amount.map_or_else(|| "all that is free".to_owned(), format::credits));
    if action == StakeAction::Unstake { dialog.fact("Cool-down", cool_down) } else { dialog }
}

const TRANSACTION_COLUMNS: [TableColumn; 4] = [
    TableColumn::new("Transaction", 420.0),
    TableColumn::new("State", 130.0),
    TableColumn::new("Confirmations", 120.0).right(),
    TableColumn::new("Hash, or what the chain said", 0.0),
];

/// The account's transactions, on networks that settle on a chain.
fn transactions(ui: &mut Ui, list: &[ChainTransaction]) {
    if list.is_empty() {
        return;
    }
    card_titled(
        ui,
        &mut Slot::default(),
        "On the chain",
        |_| {},
        |ui| {
            table(ui, "transactions", &TRANSACTION_COLUMNS, list.len(), 220.0, None, |ui, row, column| {
                transaction_cell(ui, &list[row], column);
            });
        },
    );
}

fn transaction_cell(ui: &mut Ui, transaction: &ChainTransaction, column: usize) {
    let colours = palette(ui);
    match column {
        0 => drop(mono(ui, transaction.name.clone())),
        1 => {
            let (word, colour) = match transaction.state {
                ChainTransactionState::Pending => ("pending", colours.warn),
                ChainTransactionState::Mined => ("in a block", colours.blue),
                ChainTransactionState::Confirmed => ("confirmed", colours.good),
                ChainTransactionState::Failed => ("failed", colours.bad),
            };
            medium(ui, word, colour);
        }
        2 => drop(digits(ui, format!("{} of {}", transaction.confirmations, transaction.confirmations_needed))),
        _ if transaction.note.is_empty() => {
            let hash = transaction.hash.clone().unwrap_or_default();
            match &transaction.url {
                Some(url) => {
                    let text =
                        egui::RichText::new(hash).font(egui::FontId::monospace(crate::theme::tokens::TYPE_SMALL));
                    ui.hyperlink_to(text, url).on_hover_text(url);
                }
                None => drop(mono(ui, hash)),
            }
        }
        _ => drop(small(ui, transaction.note.clone())),
    }
}

const COLUMNS: [TableColumn; 5] = [
    TableColumn::new("Entry", 70.0),
    TableColumn::new("What", 130.0),
    TableColumn::new("Change", 170.0).right(),
    TableColumn::new("When (UTC)", 140.0),
    TableColumn::new("Job", 0.0),
];

fn receipts(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let list = match &snapshot.receipts {
        Loadable::Ready(list) => list,
        other => {
            loadable(ui, other, "receipts", Part::Receipts, actions);
            return;
        }
    };
    let folder = state.folder.clone();
    let export = |ui: &mut Ui| {
        if !list.receipts.is_empty() && secondary(ui, icons::FILE_CSV, "Export CSV").clicked() {
            let (name, text) = ("infernet-receipts.csv".to_owned(), csv(list));
            actions.push(Action::SaveText { name, text, folder });
        }
    };
    card_titled(ui, &mut Slot::default(), "Receipts", export, |ui| {
        if list.receipts.is_empty() {
            empty(
                ui,
                icons::RECEIPT,
                "No receipts yet",
                "Every entry of the ledger about you is listed here, signed.",
                None,
            );
            return;
        }
        let selected = list.receipts.iter().position(|receipt| Some(receipt.sequence) == state.earnings.receipt);
        let clicked = table(ui, "receipts", &COLUMNS, list.receipts.len(), 300.0, selected, |ui, row, column| {
            receipt_cell(ui, &list.receipts[row], column);
        });
        if let Some(row) = clicked {
            state.earnings.receipt = Some(list.receipts[row].sequence);
        }
        if let Some(receipt) = selected.map(|row| &list.receipts[row]) {
            receipt_ui(ui, receipt, state);
        }
    });
    if list.next.is_some() && secondary(ui, icons::CARET_DOWN, "Load older receipts").clicked() {
        actions.push(Action::MoreReceipts);
    }
}

fn receipt_cell(ui: &mut Ui, receipt: &Receipt, column: usize) {
    let colours = palette(ui);
    match column {
        0 => drop(digits(ui, format::grouped(receipt.sequence))),
        1 => drop(medium(ui, format::words(&kind_name(receipt)), colours.text)),
        2 => {
            let colour = match receipt.change_microcredits {
                0 => colours.muted,
                change if change > 0 => colours.good,
                _ => colours.bad,
            };
            medium(ui, format::signed_credits(receipt.change_microcredits), colour);
        }
        3 => drop(small(ui, format::time(receipt.time_unix_ms))),
        _ => drop(mono(ui, receipt.job.map(|job| job.to_string()).unwrap_or_default())),
    }
}

fn kind_name(receipt: &Receipt) -> String {
    serde_json::to_value(receipt.kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn receipt_ui(ui: &mut Ui, receipt: &Receipt, state: &mut UiState) {
    crate::widgets::tile(ui, |ui| {
        let mut close = false;
        crate::widgets::split_row(
            ui,
            26.0,
            |ui| drop(medium(ui, format!("Receipt of entry {}", receipt.sequence), palette(ui).text)),
            |ui| {
                close = icon_button(ui, icons::X, "Close the receipt").clicked();
                if icon_button(ui, icons::COPY, "Copy the signed receipt").clicked() {
                    ui.ctx().copy_text(receipt.signed_hex.clone());
                }
            },
        );
        ui.horizontal(|ui| {
            small(ui, "Hash in the chain");
            mono(ui, receipt.hash.to_string());
        });
        small(ui, "It can be checked without any node: infernet ledger verify");
        if close {
            state.earnings.receipt = None;
        }
    });
    ui.add_space(tokens::GAP_TINY);
}

/// Receipts as comma-separated values; amounts in micro-credits, so that no digit is lost.
fn csv(list: &ReceiptList) -> String {
    let mut text = "sequence,kind,change_microcredits,time_utc,job,hash\n".to_owned();
    for receipt in &list.receipts {
        let job = receipt.job.map(|job| job.to_string()).unwrap_or_default();
        let time = format::time(receipt.time_unix_ms);
        text += &format!(
            "{},{},{},{time},{job},{}\n",
            receipt.sequence,
            kind_name(receipt),
            receipt.change_microcredits,
            receipt.hash
        );
    }
    text
}
