//! Using the pages by the names of their controls. Everything that costs or deletes: asked, confirmed, cancelled, failed.

use egui::{Key, Modifiers, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use infernet_api::types::job::{JobPart, JobStage};
use infernet_api::types::model::ModelAction;
use infernet_api::types::money::StakeAction;
use infernet_ui::snapshot::Quoted;
use infernet_ui::{Action, ActionId, Loadable, Page, Snapshot, UiState};

use crate::{Window, asked, fixtures, window};

fn open(page: Page, snapshot: Snapshot) -> Window {
    let state = UiState { page, folder: "/home/me/Videos".into(), ..UiState::default() };
    let mut window = window(snapshot, state, Theme::Dark, [1280.0, 1400.0], 1.0);
    window.run_steps(4);
    asked(&mut window);
    window
}

/// The last control of a name: a dialog's is drawn after the page's, and words beside it are no control.
fn press(window: &Window, name: &str) {
    let mut controls = window.get_all_by_label(name).filter(|node| node.accesskit_node().role() != egui::Role::Label);
    controls.next_back().unwrap_or_else(|| panic!("no control is called {name}")).click();
}

fn click(window: &mut Window, name: &str) {
    press(window, name);
    window.run_steps(3);
}

/// Types into a field.
fn fill(window: &mut Window, name: &str, text: &str) {
    click(window, name);
    {
        let mut fields = window.get_all_by_label(name).filter(|node| node.accesskit_node().role() != egui::Role::Label);
        fields.next_back().unwrap().type_text(text);
    }
    window.run_steps(3);
}

/// Cancel does nothing; confirm sends exactly one command; a failure is shown and can be tried again with the same command;
/// success closes the dialog.
fn costs(window: &mut Window, button: &str, confirm: &str) -> Action {
    click(window, button);
    click(window, "Cancel");
    assert_eq!(asked(window), [], "{button}: cancelled");
    assert!(window.state().state.dialog.is_none(), "{button}: the dialog is closed");

    click(window, button);
    assert_eq!(asked(window), [], "{button}: nothing is done before it is confirmed");
    let last = |window: &Window| ActionId(window.state().actions.last());
    press(window, confirm);
    window.run_steps(3);
    let sent = asked(window);
    assert_eq!(sent.len(), 1, "{button}: {sent:?}");

    let id = last(window);
    window.state_mut().snapshot.finish(id, Err(fixtures::problem()));
    window.run_steps(3);
    click(window, "Try again");
    let repeated = asked(window);
    assert_eq!(repeated, sent, "{button}: the same request, so that it can't be paid twice");

    let id = last(window);
    window.state_mut().snapshot.finish(id, Ok("done".to_owned()));
    window.run_steps(3);
    assert!(window.state().state.dialog.is_none(), "{button}: closed by success");
    sent.into_iter().next().unwrap()
}

#[test]
fn ordering_a_clip() {
    let mut window = open(Page::Studio, fixtures::full());
    window.state_mut().state.studio.set_prompt("a red circle");
    window.run_steps(3);
    click(&mut window, "Show the price");
    let Some(Action::Quote(order)) = asked(&mut window).pop() else { panic!("no quote was asked for") };
    assert_eq!(order.prompt, "a red circle");
    window.state_mut().snapshot.quoted = Some(Quoted { order, quote: Loadable::Ready(fixtures::quote()) });
    window.run_steps(3);
    let Action::Submit(order) = costs(&mut window, "Order this clip", "Pay deposit and order") else { panic!() };
    assert_eq!(order.deposit_microcredits, Some(fixtures::quote().suggested_deposit_microcredits));
    assert!(order.request_id.is_some());
}

#[test]
fn cancelling_a_job() {
    let mut window = open(Page::Studio, fixtures::full());
    assert_eq!(costs(&mut window, "Cancel job", "Cancel the job"), Action::Cancel(fixtures::job_id(0)));
}

#[test]
fn asking_for_a_refund() {
    let mut snapshot = fixtures::full();
    let mut late = fixtures::job(0, JobPart::Requested, JobStage::Running);
    late.deadline_unix_ms = fixtures::NOW - 1;
    snapshot.jobs.ready_mut().unwrap().jobs[0] = late;
    let mut window = open(Page::Studio, snapshot);
    assert_eq!(costs(&mut window, "Ask for a refund", "Ask for refund"), Action::Refund(fixtures::job_id(0)));
}

#[test]
fn claiming() {
    let mut window = open(Page::Earnings, fixtures::full());
    assert!(matches!(costs(&mut window, "Claim rewards", "Claim"), Action::Claim { .. }));
}

#[test]
fn transactions_on_a_chain_are_told_with_their_state() {
    let window = open(Page::Earnings, fixtures::on_a_chain());
    for text in ["stake start-0", "pending", "in a block", "confirmed", "failed", "3 of 12", "StakeTooSmall"] {
        assert!(window.query_all_by_label(text).next().is_some(), "{text}");
    }
    let window = open(Page::Earnings, fixtures::full());
    assert!(window.query_all_by_label("On the chain").next().is_none(), "a ledger has no transactions");
}

#[test]
fn staking_and_unstaking() {
    for (button, expected) in [("Stake", StakeAction::Stake), ("Unstake", StakeAction::Unstake)] {
        let mut window = open(Page::Earnings, fixtures::full());
        fill(&mut window, "Amount in credits", "1.5");
        // The dialog's button has the same word; the last one drawn is its.
        let sent = costs(&mut window, button, button);
        let Action::ChangeStake { action, amount_microcredits, .. } = sent else { panic!("{sent:?}") };
        assert_eq!((action, amount_microcredits), (expected, Some(1_500_000)));
    }
}

#[test]
fn withdrawing() {
    let mut snapshot = fixtures::full();
    snapshot.stake.ready_mut().unwrap().unstaking[0].free_at_unix_ms = fixtures::NOW - 1;
    let mut window = open(Page::Earnings, snapshot);
    let sent = costs(&mut window, "Withdraw", "Withdraw");
    assert!(
        matches!(sent, Action::ChangeStake { action: StakeAction::Withdraw, amount_microcredits: None, .. }),
        "{sent:?}"
    );
}

#[test]
fn what_is_no_amount_or_too_much_can_not_be_staked() {
    for text in ["abc", "0", "-1", "99999999"] {
        let mut window = open(Page::Earnings, fixtures::full());
        fill(&mut window, "Amount in credits", text);
        assert!(window.query_all_by_value(text).next().is_some(), "{text} was typed");
        click(&mut window, "Stake");
        assert!(window.state().state.dialog.is_none() && asked(&mut window).is_empty(), "{text}");
    }
}

#[test]
fn deleting_a_model() {
    let mut window = open(Page::Models, fixtures::full());
    let id = fixtures::model_id("zeroscope-v2-576w");
    let expected = Action::ChangeModel { id, action: ModelAction::Delete };
    assert_eq!(costs(&mut window, "Delete", "Delete files"), expected);
}

#[test]
fn opening_the_node_to_others() {
    let mut window = open(Page::Settings, fixtures::full());
    let sent = costs(&mut window, "Remote access", "Open it");
    assert_eq!(sent, Action::PatchSettings(serde_json::json!({ "api": { "remote": true } })));
}

#[test]
fn start_and_pause() {
    let mut window = open(Page::Home, fixtures::full());
    click(&mut window, "Pause");
    assert_eq!(asked(&mut window), [Action::PauseMining { for_secs: None }]);
    click(&mut window, "For an hour");
    assert_eq!(asked(&mut window), [Action::PauseMining { for_secs: Some(3600) }]);
    let mut snapshot = fixtures::full();
    let mining = &mut snapshot.status.ready_mut().unwrap().mining;
    mining.state = infernet_api::types::status::MiningState::Paused;
    mining.pause_reasons = [infernet_api::types::status::PauseReason::Manual].into();
    let mut window = open(Page::Home, snapshot);
    click(&mut window, "Start");
    assert_eq!(asked(&mut window), [Action::StartMining]);
}

#[test]
fn keys_reach_every_page_and_the_palette() {
    let mut window = open(Page::Home, fixtures::full());
    let keys = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];
    for (key, page) in keys.into_iter().zip(Page::ALL) {
        window.key_press(key);
        window.run_steps(2);
        assert_eq!(window.state().state.page, page);
    }
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run_steps(3);
    window.get_by_label("Command").type_text("pause hour");
    window.run_steps(3);
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert_eq!(asked(&mut window), [Action::PauseMining { for_secs: Some(3600) }]);
    assert!(window.state().state.palette.is_none());
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run_steps(3);
    assert!(window.state().state.palette.is_some());
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(window.state().state.palette.is_none(), "Esc closes");
}

#[test]
fn a_lost_node_is_said_and_can_be_restarted() {
    let mut window = open(Page::Home, fixtures::error());
    click(&mut window, "Restart the node");
    assert_eq!(asked(&mut window), [Action::RestartNode]);
    click(&mut window, "Try again");
    assert_eq!(asked(&mut window), [Action::Reload(infernet_ui::snapshot::Part::Status)]);
}

#[test]
fn news_are_toasts_with_something_to_do() {
    let mut window = open(Page::Home, fixtures::full());
    assert!(window.query_by_label("Dismiss notification").is_none(), "what was there before is no news");
    for number in 41..44 {
        let kind = infernet_api::types::event::EventKind::Slashed {
            id: fixtures::job_id(1),
            amount_microcredits: 42_090,
            failed_check: "model_output".to_owned(),
            receipt: Box::new(fixtures::receipt(1)),
        };
        let event = infernet_api::types::event::Event { sequence: number, time_unix_ms: fixtures::NOW + number, kind };
        window.state_mut().snapshot.event(event);
        window.run_steps(2);
    }
    assert!(window.query_by_label("Stake slashed (3)").is_some(), "the same news three times is one toast");
    click(&mut window, "See the audit");
    assert_eq!(window.state().state.page, Page::Proofs);
}

#[test]
fn the_first_run_can_be_skipped_and_ends_with_start() {
    let mut snapshot = fixtures::full();
    snapshot.status.ready_mut().unwrap().mining.state = infernet_api::types::status::MiningState::Waiting;
    let mut window = open(Page::Home, snapshot);
    window.state_mut().state.wizard = Some(infernet_ui::wizard::WizardState::default());
    window.run_steps(3);
    for _ in 0..3 {
        click(&mut window, "Next");
    }
    click(&mut window, "Start mining");
    assert_eq!(asked(&mut window), [Action::StartMining]);
    assert!(window.state().state.wizard.is_none());
    window.state_mut().state.wizard = Some(infernet_ui::wizard::WizardState::at(1));
    window.run_steps(3);
    click(&mut window, "Skip for now");
    assert!(window.state().state.wizard.is_none() && asked(&mut window).is_empty());
}
