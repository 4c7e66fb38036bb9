//! Using the pages by the names of their controls. Everything that costs or deletes: asked, confirmed, cancelled, failed.

use egui::{Key, Modifiers, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use infernet_api::types::job::{JobPart, JobStage};
use infernet_api::types::model::ModelAction;
use infernet_api::types::money::StakeAction;
use infernet_api::types::peer::InvitationLink;
use infernet_api::types::settings::Settings;
use infernet_api::types::status::{MiningState, PauseReason};
use infernet_ui::backup::Words;
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

#[test]
fn the_words_are_asked_for_before_they_count_as_written() {
    let words: Vec<String> = (1..=24).map(|at| format!("word{at}")).collect();
    let mut snapshot = fixtures::full();
    snapshot.can_backup = true;
    let mut window = open(Page::Settings, snapshot);
    click(&mut window, "Write the words down");
    assert_eq!(asked(&mut window), [Action::ShowWords]);
    window.state_mut().snapshot.words = Some(Loadable::Ready(Words::new(words)));
    window.run_steps(3);
    assert!(window.query_by_label("word24").is_some());
    click(&mut window, "I wrote them down");
    assert!(window.query_by_label("word24").is_none(), "they are asked for, not shown");
    let fields: Vec<String> = (1..=24)
        .map(|at| format!("Word {at}"))
        .filter(|name| window.query_all_by_label(name).next().is_some())
        .collect();
    assert_eq!(fields.len(), 2, "{fields:?}");
    fill(&mut window, &fields[0], "another");
    click(&mut window, "They are on paper");
    assert_eq!(asked(&mut window), [], "a wrong word is no backup");

    // Right answers are sent once, and closing forgets the words.
    click(&mut window, "Not now");
    assert_eq!(asked(&mut window), [Action::HideWords]);
    click(&mut window, "Write the words down");
    asked(&mut window);
    click(&mut window, "I wrote them down");
    let fields: Vec<String> = (1..=24)
        .map(|at| format!("Word {at}"))
        .filter(|name| window.query_all_by_label(name).next().is_some())
        .collect();
    for field in &fields {
        fill(&mut window, field, &field.to_lowercase().replace(' ', ""));
    }
    click(&mut window, "They are on paper");
    assert_eq!(asked(&mut window), [Action::WordsWritten]);
    let id = ActionId(window.state().actions.last());
    window.state_mut().snapshot.finish(id, Ok("your identity is backed up".to_owned()));
    window.run_steps(3);
    assert_eq!(asked(&mut window), [Action::HideWords]);
    assert!(window.state().state.backup.is_none());
}

#[test]
fn hours_are_added_and_taken_away() {
    let mut window = open(Page::Settings, fixtures::full());
    let schedule = |action: &Action| match action {
        Action::PatchSettings(patch) => patch["mining"]["schedule"].as_array().unwrap().clone(),
        other => panic!("{other:?}"),
    };
    click(&mut window, "Sun");
    click(&mut window, "Add these hours");
    let sent = asked(&mut window);
    let before = fixtures::full().settings.ready().unwrap().mining.schedule.len();
    let added = schedule(&sent[0]);
    assert_eq!(added.len(), before + 1);
    assert_eq!(added[before]["days"], serde_json::json!([0, 1, 2, 3, 4, 5]));
    assert_eq!((added[before]["from_minute"].as_u64(), added[before]["to_minute"].as_u64()), (Some(1320), Some(420)));

    let settings: Settings = {
        let mut settings = fixtures::full().settings.ready().unwrap().clone();
        settings.mining.schedule = vec![serde_json::from_value(added[before].clone()).unwrap()];
        settings
    };
    window.state_mut().snapshot.settings = Loadable::Ready(settings);
    window.run_steps(3);
    click(&mut window, "Remove Mon Tue Wed Thu Fri Sat 22:00 to 07:00");
    assert_eq!(schedule(&asked(&mut window)[0]), Vec::<serde_json::Value>::new());
}

#[test]
fn a_rule_that_pauses_is_changed_and_not_started_over() {
    let mut snapshot = fixtures::full();
    let mining = &mut snapshot.status.ready_mut().unwrap().mining;
    mining.state = MiningState::Paused;
    mining.pause_reasons = [PauseReason::OnBattery].into();
    let mut window = open(Page::Home, snapshot);
    assert!(window.query_by_label("Start").is_none(), "it would change nothing");
    click(&mut window, "Change the rules");
    assert_eq!(window.state().state.page, Page::Settings);
}

#[test]
fn joining_another_network_is_asked_first() {
    let mut window = open(Page::Network, fixtures::full());
    fill(&mut window, "Link", "http://example.org");
    click(&mut window, "Join");
    assert!(window.state().state.dialog.is_none(), "that is no link of ours");
    window.state_mut().state.join = "infernet://join/abc".to_owned();
    window.run_steps(3);
    let Action::Join(link) = costs(&mut window, "Join", "Join it") else { panic!() };
    assert_eq!(link, "infernet://join/abc");

    click(&mut window, "Make a link");
    assert_eq!(asked(&mut window), [Action::ShowInvitation]);
    let link = InvitationLink { uri: "infernet://join/xyz".to_owned(), addresses: Vec::new() };
    window.state_mut().snapshot.invitation = Some(Loadable::Ready(link));
    window.run_steps(3);
    assert!(window.query_by_label("Copy the link").is_some());
}

#[test]
fn rules_for_jobs_are_kept_when_their_field_is_left() {
    let mut window = open(Page::Settings, fixtures::full());
    let patch = |window: &mut Window| match asked(window).as_slice() {
        [Action::PatchSettings(patch)] => patch.clone(),
        other => panic!("{other:?}"),
    };
    fill(&mut window, "Refuse prompts with one of these words", "one, two ,, three");
    assert_eq!(asked(&mut window), [], "not while it is typed");
    click(&mut window, "Name, for you and for others");
    assert_eq!(patch(&mut window), serde_json::json!({"policy": {"blocked_words": ["one", "two", "three"]}}));
    let first = fixtures::full().models.ready().unwrap().models[0].clone();
    click(&mut window, &first.name);
    let left = patch(&mut window)["policy"]["models"].as_array().unwrap().clone();
    assert!(!left.is_empty() && !left.contains(&serde_json::json!(first.id)), "{left:?}");
}
