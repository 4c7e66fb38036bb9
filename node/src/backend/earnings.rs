//! What was earned, from the account and its receipts.

use std::collections::BTreeMap;

use infernet_api::types::job::{Job, JobPart};
use infernet_api::types::money::{Bucket, Earnings, EarningsBucket, EarningsQuery, ModelEarnings};
use infernet_api::{ApiError, Digest, ModelId};
use infernet_ledger::{Account, AccountId, Receipt};

use super::{NodeBackend, books, errors};
use crate::chain::Gain;
use crate::clock::now_ms;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Bars where no beginning is asked for.
const USUAL_BUCKETS: u64 = 30;

impl NodeBackend {
    pub(super) async fn earnings_now(&self, query: EarningsQuery) -> Result<Earnings, ApiError> {
        let bucket = query.bucket.unwrap_or_default();
        let to = query.to_unix_ms.unwrap_or_else(now_ms);
        let from = query.from_unix_ms.unwrap_or_else(|| before(bucket, to, USUAL_BUCKETS - 1));
        EarningsQuery { bucket: query.bucket, from_unix_ms: Some(from), to_unix_ms: Some(to) }.check()?;
        let account = self.account().await?;
        self.inner.books.refresh(self.node()).await?;
        let own = *self.inner.books.own();
        let mined = self.all_jobs(Some(JobPart::Mined)).await?;
        let mut earnings = self.totals(&account);
        earnings.pending_microcredits = mined
            .iter()
            .filter(|job| !job.stage.is_final())
            .map(|job| job.fee_microcredits)
            .fold(0, u64::saturating_add);
        if let Some(chain) = self.chain() {
            let gains = chain.gains().map_err(|error| errors::chain(&error.into()))?;
            earnings.buckets = bars(gains.iter().copied(), bucket, from, to);
            let gain = |gain: &Gain| {
                let id = gain.job?;
                let job = mined.iter().find(|job| job.id.0 == id.0)?;
                Some((job, gain.earned_microcredits))
            };
            earnings.models = by_model(gains.iter().filter_map(gain));
            return Ok(earnings);
        }
        self.inner.books.with(|receipts| {
            earnings.buckets = buckets(receipts, &own, bucket, from, to);
            let earned = |receipt: &Receipt| {
                let earned = books::rewards(std::slice::from_ref(receipt), &own);
                let id = books::job_of(&receipt.entry)?;
                mined.iter().find(|job| job.id == id).map(|job| (job, earned))
            };
            earnings.models = by_model(receipts.iter().filter_map(earned));
        });
        Ok(earnings)
    }

    /// Earnings without the lists.
    pub(super) fn totals(&self, account: &Account) -> Earnings {
        let own = self.inner.books.own();
        let spent = match self.chain() {
            Some(chain) => chain.spent_microcredits().unwrap_or_default(),
            None => self
                .inner
                .books
                .with(|receipts| books::deposits(receipts, own).saturating_sub(books::refunds(receipts, own))),
        };
        Earnings {
            balance_microcredits: account.balance,
            claimable_microcredits: account.claimable,
            total_earned_microcredits: account.standing.earned_microcredits,
            total_slashed_microcredits: account.standing.slashed_microcredits,
            total_spent_microcredits: spent,
            transactions: self.transactions(),
            ..Earnings::default()
        }
    }
}

/// What was earned with each model, most first.
fn by_model<'a>(earned: impl Iterator<Item = (&'a Job, u64)>) -> Vec<ModelEarnings> {
    let mut models: BTreeMap<Digest, (Option<ModelId>, u64, u32)> = BTreeMap::new();
    for (job, earned) in earned.filter(|(_, earned)| *earned > 0) {
        let entry = models.entry(job.model_digest).or_insert_with(|| (job.model.clone(), 0, 0));
        (entry.1, entry.2) = (entry.1.saturating_add(earned), entry.2 + 1);
    }
    let each = |(model_digest, (model, earned_microcredits, jobs))| ModelEarnings {
        model_digest,
        model,
        earned_microcredits,
        jobs,
    };
    let mut models: Vec<ModelEarnings> = models.into_iter().map(each).collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.earned_microcredits));
    models
}

/// Bars from `from` to `to`, those without earnings with zeros.
fn buckets(receipts: &[Receipt], own: &AccountId, bucket: Bucket, from: u64, to: u64) -> Vec<EarningsBucket> {
    let gain = |receipt: &Receipt| {
        let one = std::slice::from_ref(receipt);
        Gain {
            time_ms: receipt.time_ms,
            job: None,
            earned_microcredits: books::rewards(one, own),
            slashed_microcredits: books::slashes(one, own),
        }
    };
    bars(receipts.iter().map(gain), bucket, from, to)
}

fn bars(gains: impl Iterator<Item = Gain>, bucket: Bucket, from: u64, to: u64) -> Vec<EarningsBucket> {
    let mut bars: BTreeMap<u64, EarningsBucket> = BTreeMap::new();
    let mut start = start_of(bucket, from);
    while start < to {
        bars.insert(start, EarningsBucket { start_unix_ms: start, ..EarningsBucket::default() });
        start = next(bucket, start);
    }
    for gain in gains.filter(|gain| (from..to).contains(&gain.time_ms)) {
        let Some(bar) = bars.get_mut(&start_of(bucket, gain.time_ms)) else { continue };
        bar.earned_microcredits = bar.earned_microcredits.saturating_add(gain.earned_microcredits);
        bar.slashed_microcredits = bar.slashed_microcredits.saturating_add(gain.slashed_microcredits);
        bar.jobs += u32::from(gain.earned_microcredits > 0);
    }
    bars.into_values().collect()
}

/// Where the bar with this time begins.
fn start_of(bucket: Bucket, time_ms: u64) -> u64 {
    match bucket {
        Bucket::Hour => time_ms - time_ms % HOUR_MS,
        Bucket::Day => time_ms - time_ms % DAY_MS,
        // 1970-01-01 was a Thursday, three days after a Monday; the first week is cut off there.
        Bucket::Week => {
            let day = time_ms / DAY_MS;
            day.saturating_sub((day + 3) % 7) * DAY_MS
        }
        Bucket::Month => {
            let (year, month) = month_of(time_ms / DAY_MS);
            first_day(year, month) * DAY_MS
        }
    }
}

/// Where the bar after the one that begins here does.
fn next(bucket: Bucket, start_ms: u64) -> u64 {
    match bucket {
        Bucket::Hour => start_ms + HOUR_MS,
        Bucket::Day => start_ms + DAY_MS,
        Bucket::Week => start_of(bucket, start_ms + 7 * DAY_MS),
        // No month is longer than 31 days.
        Bucket::Month => start_of(bucket, start_ms + 31 * DAY_MS),
    }
}

/// The beginning of the bar so many before the one with this time.
fn before(bucket: Bucket, time_ms: u64, count: u64) -> u64 {
    (0..count).fold(start_of(bucket, time_ms), |start, _| start_of(bucket, start.saturating_sub(1)))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month of the Gregorian calendar.
fn first_day(year: u64, month: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let years = 365 * (year - 1970) + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|month| days_of(year, month)).sum::<u64>()
}

/// Year and month of a day since 1970-01-01.
fn month_of(day: u64) -> (u64, u64) {
    // Never too late: no year is longer than 366 days.
    let mut year = 1970 + day / 366;
    while first_day(year + 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| first_day(year, *month) <= day).unwrap_or(1);
    (year, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-03-15 13:45:30 UTC, by `date -u -d @1710510330`.
    const TIME_MS: u64 = 1_710_510_330_123;

    #[test]
    fn bars_begin_where_the_calendar_says() {
        // By `date -u -d '...' +%s`.
        let cases = [
            (Bucket::Hour, 1_710_507_600_000),
            (Bucket::Day, 1_710_460_800_000),
            (Bucket::Week, 1_710_115_200_000),
            (Bucket::Month, 1_709_251_200_000),
        ];
        for (bucket, start) in cases {
            assert_eq!(start_of(bucket, TIME_MS), start, "{bucket:?}");
            assert_eq!(start_of(bucket, start), start, "{bucket:?}");
            assert_eq!(start_of(bucket, start - 1), before(bucket, TIME_MS, 1), "{bucket:?}");
            assert_eq!(next(bucket, before(bucket, TIME_MS, 1)), start, "{bucket:?}");
        }
        // February 2024 had 29 days, February 2023 28.
        assert_eq!(next(Bucket::Month, 1_706_745_600_000), 1_709_251_200_000);
        assert_eq!(next(Bucket::Month, 1_675_209_600_000), 1_677_628_800_000);
        assert_eq!((month_of(0), month_of(58), month_of(59)), ((1970, 1), (1970, 2), (1970, 3)));
    }

    #[test]
    fn days_without_earnings_have_bars() {
        let own = AccountId([1; 32]);
        let bars = buckets(&[], &own, Bucket::Day, TIME_MS - 3 * DAY_MS, TIME_MS);
        assert_eq!(bars.len(), 4);
        assert!(bars.windows(2).all(|pair| pair[1].start_unix_ms - pair[0].start_unix_ms == DAY_MS));
        assert!(bars.iter().all(|bar| bar.earned_microcredits == 0 && bar.jobs == 0));
    }
}
