//! What long work reports while it runs, through a `tokio::sync::watch` that holds the latest state only.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

/// Time constant of the moving average of the rate, in seconds.
const RATE_WINDOW_SECS: f64 = 5.0;

/// State of a download, an import or a verification.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Progress {
    /// Nothing has been done yet.
    #[default]
    Starting,
    /// What is on the disk already is being checked.
    Checking(Transfer),
    /// The source is asked for sizes that the catalogue does not know.
    Asking {
        /// Files asked about so far.
        files_done: usize,
        /// Files to ask about.
        files_total: usize,
    },
    /// Bytes come from the network.
    Downloading(Transfer),
    /// Bytes are copied from another folder.
    Copying(Transfer),
    /// Bytes on disk are read and hashed.
    Verifying(Transfer),
    /// All bytes are there; the model is moved into place.
    Finishing,
    /// The work is done.
    Done,
}

/// How far a transfer is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Transfer {
    /// Bytes that are on the disk and count (a restarted file counts from zero again).
    pub bytes_done: u64,
    /// Bytes in all, where every size is known.
    pub bytes_total: Option<u64>,
    /// Files that are complete.
    pub files_done: usize,
    /// Files in all.
    pub files_total: usize,
    /// Moving average of the rate over about five seconds, in bytes per second.
    pub bytes_per_sec: f64,
    /// Seconds left at that rate, where it can be said.
    pub secs_left: Option<f64>,
    /// Why a file waits, when one does: what went wrong and how long until the next attempt.
    pub waiting: Option<String>,
}

/// Exponentially weighted rate; the clock is passed in.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateMeter {
    last: Option<(f64, u64)>,
    weighted: f64,
    weight: f64,
}

impl RateMeter {
    /// Takes the byte count at a time (seconds on any steady clock) and returns bytes per second.
    pub(crate) fn update(&mut self, now_secs: f64, bytes: u64) -> f64 {
        if let Some((then, before)) = self.last {
            let elapsed = now_secs - then;
            if elapsed <= 0.0 {
                return self.rate();
            }
            // A restarted file takes bytes back; that is no negative rate.
            let gained = bytes.saturating_sub(before) as f64;
            let keep = (-elapsed / RATE_WINDOW_SECS).exp();
            self.weighted = self.weighted * keep + gained / elapsed * (1.0 - keep);
            self.weight = self.weight * keep + (1.0 - keep);
        }
        self.last = Some((now_secs, bytes));
        self.rate()
    }

    /// Dividing by the weight so far makes the first seconds honest instead of starting from zero.
    fn rate(&self) -> f64 {
        if self.weight > 0.0 { self.weighted / self.weight } else { 0.0 }
    }
}

/// Counters that the files of one transfer share.
#[derive(Debug)]
pub(crate) struct Tracker {
    bytes: Vec<AtomicU64>,
    /// Of these, bytes that were on the disk before: they say nothing about the rate.
    from_disk: Vec<AtomicU64>,
    files_done: AtomicUsize,
    base_bytes: u64,
    base_files: usize,
    total: Mutex<Vec<Option<u64>>>,
    waiting: Mutex<Option<(usize, String)>>,
}

impl Tracker {
    /// Counters for files of these sizes, beside `base_files` files of together `base_bytes` that are done already.
    pub(crate) fn new(sizes: Vec<Option<u64>>, base_bytes: u64, base_files: usize) -> Self {
        Self {
            bytes: sizes.iter().map(|_| AtomicU64::new(0)).collect(),
            from_disk: sizes.iter().map(|_| AtomicU64::new(0)).collect(),
            files_done: AtomicUsize::new(0),
            base_bytes,
            base_files,
            total: Mutex::new(sizes),
            waiting: Mutex::new(None),
        }
    }

    pub(crate) fn set_bytes(&self, file: usize, bytes: u64) {
        if let Some(counter) = self.bytes.get(file) {
            counter.store(bytes, Ordering::Relaxed);
        }
    }

    /// So many bytes of a file were on the disk before.
    pub(crate) fn set_from_disk(&self, file: usize, bytes: u64) {
        if let Some(counter) = self.from_disk.get(file) {
            counter.store(bytes, Ordering::Relaxed);
        }
        self.set_bytes(file, bytes);
    }

    pub(crate) fn set_size(&self, file: usize, size: u64) {
        if let Ok(mut total) = self.total.lock()
            && let Some(slot) = total.get_mut(file)
        {
            *slot = Some(size);
        }
    }

    pub(crate) fn file_done(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_waiting(&self, file: usize, why: String) {
        if let Ok(mut waiting) = self.waiting.lock() {
            *waiting = Some((file, why));
        }
    }

    pub(crate) fn clear_waiting(&self, file: usize) {
        if let Ok(mut waiting) = self.waiting.lock()
            && waiting.as_ref().is_some_and(|(of, _)| *of == file)
        {
            *waiting = None;
        }
    }

    /// The state now, with the rate from `meter`.
    pub(crate) fn snapshot(&self, meter: &mut RateMeter, now_secs: f64) -> Transfer {
        let sum = |counters: &[AtomicU64]| counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum::<u64>();
        let here = sum(&self.bytes);
        let moved = here.saturating_sub(sum(&self.from_disk));
        let bytes_done = self.base_bytes.saturating_add(here);
        let sizes: Option<u64> = self.total.lock().ok().and_then(|total| total.iter().copied().sum());
        let bytes_total = sizes.map(|sizes| self.base_bytes.saturating_add(sizes));
        let bytes_per_sec = meter.update(now_secs, moved);
        let secs_left = bytes_total
            .filter(|_| bytes_per_sec > 1.0)
            .map(|total| total.saturating_sub(bytes_done) as f64 / bytes_per_sec);
        Transfer {
            bytes_done,
            bytes_total,
            files_done: self.base_files + self.files_done.load(Ordering::Relaxed),
            files_total: self.base_files + self.bytes.len(),
            bytes_per_sec,
            secs_left,
            waiting: self.waiting.lock().ok().and_then(|waiting| waiting.as_ref().map(|(_, why)| why.clone())),
        }
    }
}

/// How often progress is published at most.
pub(crate) const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// Progress of blocking work on one file after another.
pub(crate) struct Work<'a> {
    tracker: Tracker,
    meter: RateMeter,
    started: Instant,
    published: Option<Instant>,
    stage: fn(Transfer) -> Progress,
    sender: &'a watch::Sender<Progress>,
}

impl<'a> Work<'a> {
    /// Work on files of these sizes, reported as `stage`.
    pub(crate) fn new(
        stage: fn(Transfer) -> Progress,
        sizes: Vec<Option<u64>>,
        sender: &'a watch::Sender<Progress>,
    ) -> Self {
        let mut work = Self {
            tracker: Tracker::new(sizes, 0, 0),
            meter: RateMeter::default(),
            started: Instant::now(),
            published: None,
            stage,
            sender,
        };
        work.publish();
        work
    }

    /// So many bytes of a file are done.
    pub(crate) fn bytes(&mut self, file: usize, bytes: u64) {
        self.tracker.set_bytes(file, bytes);
        if self.published.is_none_or(|last| last.elapsed() >= PUBLISH_EVERY) {
            self.publish();
        }
    }

    /// A file of this size is done.
    pub(crate) fn file_done(&mut self, file: usize, size: u64) {
        self.tracker.set_bytes(file, size);
        self.tracker.file_done();
        self.publish();
    }

    fn publish(&mut self) {
        let transfer = self.tracker.snapshot(&mut self.meter, self.started.elapsed().as_secs_f64());
        self.sender.send_replace((self.stage)(transfer));
        self.published = Some(Instant::now());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_reported_from_the_second_sample_on() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.update(0.0, 0), 0.0);
        for step in 1..100_u32 {
            let rate = meter.update(f64::from(step) * 0.2, u64::from(step) * 2_000);
            assert!((rate - 10_000.0).abs() < 1e-6, "step {step}: {rate}");
        }
    }

    #[test]
    fn the_average_forgets_and_never_goes_below_zero() {
        let mut meter = RateMeter::default();
        meter.update(0.0, 0);
        meter.update(1.0, 1_000_000);
        let restarted = meter.update(2.0, 0);
        assert!((0.0..1_000_000.0).contains(&restarted));
        let later = (3..60_u32).map(|second| meter.update(f64::from(second), 0)).last().unwrap();
        assert!(later < 20.0, "{later}");
        assert_eq!(meter.update(59.0, 500), later, "a clock that stands still changes nothing");
    }

    #[test]
    fn the_tracker_sums_files_and_says_when_a_total_is_unknown() {
        let tracker = Tracker::new(vec![Some(100), None], 1_000, 2);
        let mut meter = RateMeter::default();
        tracker.set_bytes(0, 40);
        let first = tracker.snapshot(&mut meter, 0.0);
        assert_eq!((first.bytes_done, first.bytes_total, first.files_done, first.files_total), (1_040, None, 2, 4));
        tracker.set_size(1, 60);
        tracker.set_bytes(1, 10);
        tracker.file_done();
        tracker.set_waiting(1, "no answer".into());
        let second = tracker.snapshot(&mut meter, 1.0);
        assert_eq!((second.bytes_done, second.bytes_total, second.files_done), (1_050, Some(1_160), 3));
        assert_eq!(second.waiting.as_deref(), Some("no answer"));
        assert_eq!(second.secs_left, Some(11.0));
        tracker.set_from_disk(1, 50);
        let third = tracker.snapshot(&mut RateMeter::default(), 1.5);
        assert_eq!((third.bytes_done, third.bytes_per_sec), (1_090, 0.0), "what was there before is no rate");
        tracker.clear_waiting(0);
        assert!(tracker.snapshot(&mut meter, 2.0).waiting.is_some());
        tracker.clear_waiting(1);
        assert!(tracker.snapshot(&mut meter, 3.0).waiting.is_none());
    }
}
