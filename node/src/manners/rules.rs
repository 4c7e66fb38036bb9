//! What pauses a miner. Pure: everything that is around comes in.

use std::collections::BTreeSet;

use infernet_api::types::settings::{MiningSettings, ScheduleSpan};
use infernet_api::types::status::PauseReason;

/// Minutes of a day, and of a week.
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
/// How far a device must cool down below its limit before it works again, so that it does not switch at every reading.
const COOLER_CELSIUS: f32 = 5.0;
/// Load by others, in percent, that makes a GPU busy, and below which it is free again. A desktop's own drawing stays below.
const BUSY_PERCENT: f32 = 30.0;
const FREE_PERCENT: f32 = 15.0;
/// Room above the limit that a disk must have again, in bytes.
const MORE_ROOM: u64 = 256 << 20;

/// What is around a miner now. `None`: the system does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// Local minute of the week; 0 is Monday 00:00.
    pub minute_of_week: u32,
    /// Runs on a battery.
    pub on_battery: Option<bool>,
    /// Seconds since somebody last touched keyboard or pointer.
    pub idle_secs: Option<u64>,
    /// A program fills the screen.
    pub full_screen: Option<bool>,
    /// One of the programs of the owner's list runs.
    pub listed_app: Option<bool>,
    /// The connection is paid by volume.
    pub metered: Option<bool>,
    /// Free for this user on the disk of the node's folder, in bytes.
    pub disk_free_bytes: Option<u64>,
    /// Load of the device by others, in percent; not known while the miner itself uses it.
    pub others_load_percent: Option<f32>,
    /// Temperature of the device.
    pub temperature_celsius: Option<f32>,
}

/// Everything that pauses mining now. `before` is what did a moment ago: some reasons end later than they begin.
#[must_use]
pub fn pauses(
    settings: &MiningSettings,
    around: &Surroundings,
    before: &BTreeSet<PauseReason>,
) -> BTreeSet<PauseReason> {
    let was = |reason| before.contains(&reason);
    let limit = |begin: f32, end: f32, reason| if was(reason) { end } else { begin };
    let closed = !settings.schedule.is_empty() && !is_open(&settings.schedule, around.minute_of_week);
    let user = around.idle_secs.is_some_and(|idle| idle < u64::from(settings.user_idle_secs));
    let busy = limit(BUSY_PERCENT, FREE_PERCENT, PauseReason::GpuBusy);
    let busy = match around.others_load_percent {
        Some(load) => load >= busy,
        // Not told while a job of the miner's own runs: it stays as it was.
        None => was(PauseReason::GpuBusy),
    };
    let hot = settings.max_temperature_celsius.map(f32::from).is_some_and(|most| {
        let most = limit(most, most - COOLER_CELSIUS, PauseReason::TooHot);
        around.temperature_celsius.is_some_and(|celsius| celsius > most)
    });
    let more = if was(PauseReason::DiskFull) { MORE_ROOM } else { 0 };
    // No room to be kept is no wish to be told of a full disk.
    let room = if settings.keep_disk_free_bytes == 0 { 0 } else { settings.keep_disk_free_bytes.saturating_add(more) };
    [
        (PauseReason::Schedule, closed),
        (PauseReason::OnBattery, settings.pause_on_battery && around.on_battery == Some(true)),
        (PauseReason::UserActive, settings.pause_when_user_active && user),
        (PauseReason::AppRunning, around.listed_app == Some(true)),
        (PauseReason::FullScreen, settings.pause_on_full_screen && around.full_screen == Some(true)),
        (PauseReason::GpuBusy, settings.pause_on_gpu_busy && busy),
        (PauseReason::TooHot, hot),
        (PauseReason::DiskFull, around.disk_free_bytes.is_some_and(|free| free < room)),
        (PauseReason::MeteredLink, settings.pause_on_metered_link && around.metered == Some(true)),
    ]
    .into_iter()
    .filter_map(|(reason, holds)| holds.then_some(reason))
    .collect()
}

fn is_open(schedule: &[ScheduleSpan], minute: u32) -> bool {
    schedule.iter().any(|span| {
        let (from, to) = (u32::from(span.from_minute), u32::from(span.to_minute));
        let length = if to > from { to - from } else { DAY - from + to };
        span.days.iter().any(|day| {
            let begin = u32::from(*day) * DAY + from;
            // Also a span of Sunday night that ends on Monday.
            (minute + WEEK - begin % WEEK) % WEEK < length
        })
    })
}

/// Minutes until the schedule next lets the miner work: 0 inside it, none where it never does.
#[must_use]
pub fn minutes_until_open(schedule: &[ScheduleSpan], minute: u32) -> Option<u32> {
    if schedule.is_empty() || is_open(schedule, minute) {
        return Some(0);
    }
    let begins = schedule.iter().flat_map(|span| {
        let from = u32::from(span.from_minute);
        span.days.iter().map(move |day| u32::from(*day) * DAY + from)
    });
    begins.map(|begin| (begin % WEEK + WEEK - minute) % WEEK).min()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(days: &[u8], from_minute: u16, to_minute: u16) -> ScheduleSpan {
        ScheduleSpan { days: days.iter().copied().collect(), from_minute, to_minute }
    }

    fn one(settings: &MiningSettings, around: &Surroundings) -> Vec<PauseReason> {
        pauses(settings, around, &BTreeSet::new()).into_iter().collect()
    }

    #[test]
    fn what_is_not_told_never_pauses() {
        let everything = MiningSettings { pause_when_user_active: true, ..MiningSettings::default() };
        assert_eq!(one(&everything, &Surroundings::default()), []);
    }

    #[test]
    fn each_reason_holds_only_where_its_owner_wants_it() {
        let wanted = MiningSettings {
            pause_when_user_active: true,
            pause_on_apps: vec!["game".to_owned()],
            max_temperature_celsius: Some(80),
            ..MiningSettings::default()
        };
        let unwanted = MiningSettings {
            pause_on_battery: false,
            pause_on_full_screen: false,
            pause_on_gpu_busy: false,
            pause_on_metered_link: false,
            max_temperature_celsius: None,
            keep_disk_free_bytes: 0,
            ..MiningSettings::default()
        };
        let calm = Surroundings::default;
        for (around, reason) in [
            (Surroundings { on_battery: Some(true), ..calm() }, PauseReason::OnBattery),
            (Surroundings { idle_secs: Some(299), ..calm() }, PauseReason::UserActive),
            (Surroundings { full_screen: Some(true), ..calm() }, PauseReason::FullScreen),
            (Surroundings { metered: Some(true), ..calm() }, PauseReason::MeteredLink),
            (Surroundings { others_load_percent: Some(40.0), ..calm() }, PauseReason::GpuBusy),
            (Surroundings { temperature_celsius: Some(80.5), ..calm() }, PauseReason::TooHot),
            (Surroundings { disk_free_bytes: Some((2 << 30) - 1), ..calm() }, PauseReason::DiskFull),
        ] {
            assert_eq!(one(&wanted, &around), [reason]);
            assert_eq!(one(&unwanted, &around), [], "{reason:?}");
        }
        let fine = Surroundings {
            on_battery: Some(false),
            idle_secs: Some(300),
            full_screen: Some(false),
            listed_app: Some(false),
            metered: Some(false),
            others_load_percent: Some(20.0),
            temperature_celsius: Some(80.0),
            disk_free_bytes: Some(2 << 30),
            ..calm()
        };
        assert_eq!(one(&wanted, &fine), []);
    }

    #[test]
    fn limits_are_not_switched_at_every_reading() {
        let settings = MiningSettings::default();
        let mut now = BTreeSet::new();
        for (celsius, hot) in [(79.0, false), (81.0, true), (77.0, true), (75.0, false), (79.0, false)] {
            now = pauses(
                &settings,
                &Surroundings { temperature_celsius: Some(celsius), ..Surroundings::default() },
                &now,
            );
            assert_eq!(now.contains(&PauseReason::TooHot), hot, "{celsius}");
        }
        for (load, busy) in
            [(Some(20.0), false), (Some(30.0), true), (None, true), (Some(20.0), true), (Some(5.0), false)]
        {
            now = pauses(&settings, &Surroundings { others_load_percent: load, ..Surroundings::default() }, &now);
            assert_eq!(now.contains(&PauseReason::GpuBusy), busy, "{load:?}");
        }
    }

    #[test]
    fn hours_go_over_midnight_and_over_the_week() {
        // Sunday 22:00 to 06:00, and Tuesday 09:00 to 17:00.
        let schedule = [span(&[6], 22 * 60, 6 * 60), span(&[1], 9 * 60, 17 * 60)];
        let at = |day: u32, hour: u32| day * DAY + hour * 60;
        for (minute, until) in [
            (at(6, 21), 60),
            (at(6, 22), 0),
            (at(0, 5), 0),
            (at(0, 6), 27 * 60),
            (at(1, 9), 0),
            (at(1, 17), 4 * DAY + 29 * 60),
        ] {
            assert_eq!(minutes_until_open(&schedule, minute), Some(until), "{minute}");
        }
        assert_eq!(minutes_until_open(&[], 7), Some(0));
        assert_eq!(minutes_until_open(&[span(&[], 0, 60)], 7), None);
        let settings = MiningSettings { schedule: schedule.to_vec(), ..MiningSettings::default() };
        let around = Surroundings { minute_of_week: at(0, 7), ..Surroundings::default() };
        assert_eq!(one(&settings, &around), [PauseReason::Schedule]);
    }

    proptest! {
        #[test]
        fn it_is_open_when_the_wait_is_over(
            days in prop::collection::btree_set(0_u8..7, 1..7),
            from in 0_u16..1440,
            to in 0_u16..=1440,
            minute in 0..WEEK,
        ) {
            prop_assume!(from != to);
            let schedule = [ScheduleSpan { days, from_minute: from, to_minute: to }];
            let wait = minutes_until_open(&schedule, minute).unwrap();
            prop_assert!(is_open(&schedule, (minute + wait) % WEEK));
            prop_assert!(wait == 0 || !is_open(&schedule, (minute + wait - 1) % WEEK));
        }
    }
}
