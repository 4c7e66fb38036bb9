//! One file: from the part on the disk to the verified file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Url};

use super::super::cancel::Cancel;
use super::super::digest::{FileDigest, Sha256Digest};
use super::super::disk::{self, Lock};
use super::super::error::StoreError;
use super::super::models::ModelStore;
use super::super::names::RelPath;
use super::super::progress::Tracker;
use super::backoff;
use super::options::DownloadOptions;
use super::part::{Part, blocking};
use super::transport::{Failure, Linked, Rest, Transport, shown};

/// Bytes collected before they are hashed and written.
const WRITE_CHUNK: usize = 1 << 20;
/// Bytes are written at least this often, so that a kill loses little of a slow transfer.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// An attempt that brings this much counts as a success for the number of attempts in a row.
const PROGRESS_BYTES: u64 = 256 << 10;

/// What the files of one download share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) options: DownloadOptions,
    pub(super) cancel: Cancel,
    pub(super) tracker: Arc<Tracker>,
    pub(super) lock: Arc<Lock>,
    /// Where verified files go.
    pub(super) tree: PathBuf,
    /// Where files on their way are.
    pub(super) parts: PathBuf,
}

/// A file to fetch.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Its place in the tracker.
    pub(super) index: usize,
    pub(super) path: RelPath,
    pub(super) url: Url,
    /// Size and digest from the catalogue, where known.
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<Sha256Digest>,
    /// Size that the source told in advance: for the disk check and the time left, not checked against.
    pub(super) planned_size: Option<u64>,
    /// Most bytes that are taken, whatever the source says.
    pub(super) size_limit: u64,
}

/// Fetches a file to the tree of verified files. Dropping the future keeps what has arrived.
pub(super) async fn fetch(shared: Arc<Shared>, mut job: Job) -> Result<FileDigest, StoreError> {
    let part = open_part(&shared, &job).await?;
    let mut failures = 0;
    let mut fresh_starts = 0;
    loop {
        let before = part.len();
        let failure = match attempt(&shared, &mut job, &part).await {
            Ok(()) => match finish(&shared, &job, &part).await {
                Ok(digest) => return Ok(digest),
                // Bytes from an earlier day or a proxy may be at fault: one fresh start tells.
                Err(error @ StoreError::WrongHash { .. }) if fresh_starts == 0 => {
                    fresh_starts += 1;
                    part.restart().await?;
                    shared.tracker.set_from_disk(job.index, 0);
                    Failure::again(error)
                }
                Err(error) => {
                    if matches!(error, StoreError::WrongHash { .. } | StoreError::WrongSize { .. }) {
                        part.restart().await?;
                    }
                    return Err(error);
                }
            },
            Err(failure) => failure,
        };
        if !failure.retry {
            return Err(failure.error);
        }
        let moved = part.len().saturating_sub(before);
        failures = if moved >= PROGRESS_BYTES { 1 } else { failures + 1 };
        wait_or_give_up(&shared, &job, failures, failure.error).await?;
    }
}

async fn open_part(shared: &Shared, job: &Job) -> Result<Part, StoreError> {
    let tracker = shared.tracker.clone();
    let index = job.index;
    let on_bytes = move |bytes| tracker.set_from_disk(index, bytes);
    Part::open(&shared.parts, &job.path, shared.lock.clone(), shared.cancel.clone(), on_bytes).await
}

/// Waits before the next attempt, or returns the error where it was the last.
async fn wait_or_give_up(shared: &Shared, job: &Job, failures: u32, error: StoreError) -> Result<(), StoreError> {
    let options = &shared.options;
    if failures >= options.max_attempts {
        return Err(error);
    }
    let mut wait = backoff::wait(failures, options.first_wait, options.longest_wait, backoff::jitter());
    if let StoreError::Status { retry_after: Some(asked), .. } = &error {
        if *asked > options.longest_asked_wait {
            return Err(error);
        }
        wait = wait.max(*asked);
    }
    tracing::info!(file = %job.path, %error, wait_secs = wait.as_secs_f64(), "download will be tried again");
    shared
        .tracker
        .set_waiting(job.index, format!("{}: {error}; next attempt in {:.0} s", job.path, wait.as_secs_f64().max(1.0)));
    let outcome = tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = shared.cancel.cancelled() => Err(StoreError::Cancelled),
    };
    shared.tracker.clear_waiting(job.index);
    outcome
}

/// One request, from where the part ends to the end of the file.
async fn attempt(shared: &Shared, job: &mut Job, part: &Part) -> Result<(), Failure> {
    if job.size.is_some_and(|size| part.len() > size) {
        restart(shared, job, part).await?;
    }
    let mut offset = part.len();
    if offset > 0 && job.size == Some(offset) {
        return Ok(());
    }
    // Without an ETag only a known digest can tell whether old and new bytes belong together.
    let etag = part.etag();
    if offset > 0 && etag.is_none() && job.sha256.is_none() {
        restart(shared, job, part).await?;
        offset = 0;
    }
    let rest = (offset > 0).then(|| Rest { offset, etag: etag.clone() });
    let answer = tokio::select! {
        answer = shared.transport.get(&job.url, rest.as_ref()) => answer?,
        () = shared.cancel.cancelled() => return Err(Failure::last(StoreError::Cancelled)),
    };
    take_over(job, answer.linked)?;
    let response = answer.response;
    let new_etag = strong_etag(response.headers());
    let end = match response.status() {
        StatusCode::OK => {
            if offset > 0 {
                tracing::debug!(file = %job.path, "the source starts the file anew");
                restart(shared, job, part).await?;
                offset = 0;
            }
            end_of_full_answer(job, &response)?
        }
        StatusCode::PARTIAL_CONTENT => {
            let range = content_range(response.headers()).filter(|(start, ..)| *start == offset);
            let Some((_, total)) = range.filter(|_| etag.is_none() || new_etag.is_none() || etag == new_etag) else {
                restart(shared, job, part).await?;
                let detail = format!("bytes from {offset} on were asked for, it sends something else");
                return Err(Failure::again(StoreError::BadAnswer { url: shown(&job.url), detail }));
            };
            check_size(job, total)?;
            total.or(job.size).or_else(|| response.content_length().map(|length| offset + length))
        }
        StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
            // Nothing after what we have: it is whole, or it is of another file.
            let total = unsatisfied_total(response.headers());
            if total == Some(offset) && job.size.is_none_or(|size| size == offset) {
                return Ok(());
            }
            restart(shared, job, part).await?;
            return Err(shared.transport.status_failure(&response, &job.url).into_retry());
        }
        other if other.is_success() => {
            let detail = format!("status {} has no file", other.as_u16());
            return Err(Failure::again(StoreError::BadAnswer { url: shown(&job.url), detail }));
        }
        _ => return Err(shared.transport.status_failure(&response, &job.url)),
    };
    if part.etag() != new_etag {
        part.keep_etag(new_etag).await.map_err(Failure::last)?;
    }
    if let Some(end) = end {
        if end > job.size_limit {
            let detail = format!("it has {end} bytes, at most {} are taken", job.size_limit);
            return Err(Failure::last(StoreError::BadAnswer { url: shown(&job.url), detail }));
        }
        // Where another size was known this is not reached, so the first answer that says a size settles it.
        job.size = Some(end);
        shared.tracker.set_size(job.index, end);
        disk::ensure_free(&shared.parts, end.saturating_sub(offset), 0).map_err(Failure::last)?;
    }
    receive(shared, job, part, response).await
}

/// Writes what comes until the answer ends.
async fn receive(shared: &Shared, job: &Job, part: &Part, mut response: Response) -> Result<(), Failure> {
    let mut buffer = Vec::with_capacity(WRITE_CHUNK);
    let mut written_at = Instant::now();
    let mut len = part.len();
    let outcome = loop {
        let chunk = tokio::select! {
            chunk = tokio::time::timeout(shared.options.stall_timeout, response.chunk()) => chunk,
            () = shared.cancel.cancelled() => break Err(Failure::last(StoreError::Cancelled)),
        };
        match chunk {
            Ok(Ok(Some(bytes))) => {
                len += bytes.len() as u64;
                if let Some(expected) = job.size.filter(|size| len > *size) {
                    break Err(Failure::last(StoreError::WrongSize {
                        file: job.path.to_string(),
                        expected,
                        found: len,
                    }));
                }
                if len > job.size_limit {
                    let detail = format!("it sends more than {} bytes", job.size_limit);
                    break Err(Failure::last(StoreError::BadAnswer { url: shown(&job.url), detail }));
                }
                buffer.extend_from_slice(&bytes);
                shared.tracker.set_bytes(job.index, len);
                if buffer.len() >= WRITE_CHUNK || written_at.elapsed() >= WRITE_EVERY {
                    part.append(std::mem::take(&mut buffer)).await.map_err(Failure::last)?;
                    buffer.reserve(WRITE_CHUNK);
                    written_at = Instant::now();
                }
            }
            Ok(Ok(None)) if job.size.is_some_and(|size| len < size) => {
                break Err(Failure::again(StoreError::Interrupted {
                    url: shown(&job.url),
                    detail: format!("it ended after {len} bytes"),
                }));
            }
            Ok(Ok(None)) => break Ok(()),
            Ok(Err(error)) => break Err(shared.transport.client_failure(&error, &job.url)),
            Err(_) => {
                break Err(Failure::again(StoreError::Stalled {
                    url: shown(&job.url),
                    after: shared.options.stall_timeout,
                }));
            }
        }
    };
    let other_file = |failure: &Failure| {
        !failure.retry && matches!(failure.error, StoreError::WrongSize { .. } | StoreError::BadAnswer { .. })
    };
    if outcome.as_ref().is_err_and(other_file) {
        // These are bytes of some other file.
        restart(shared, job, part).await?;
    } else if !buffer.is_empty() {
        // What has arrived is kept also when the attempt failed.
        part.append(buffer).await.map_err(Failure::last)?;
    }
    outcome
}

/// Checks a part that has all its bytes and moves it to its place.
async fn finish(shared: &Shared, job: &Job, part: &Part) -> Result<FileDigest, StoreError> {
    let (size, sha256) = (part.len(), part.sha256());
    let file = || job.path.to_string();
    if let Some(expected) = job.size.filter(|expected| *expected != size) {
        return Err(StoreError::WrongSize { file: file(), expected, found: size });
    }
    if let Some(expected) = job.sha256.filter(|expected| *expected != sha256) {
        return Err(StoreError::WrongHash { file: file(), expected, found: sha256 });
    }
    part.commit(job.path.under(&shared.tree)).await?;
    shared.tracker.set_bytes(job.index, size);
    shared.tracker.set_size(job.index, size);
    shared.tracker.file_done();
    Ok(FileDigest { path: job.path.clone(), size, sha256 })
}

async fn restart(shared: &Shared, job: &Job, part: &Part) -> Result<(), Failure> {
    part.restart().await.map_err(Failure::last)?;
    shared.tracker.set_from_disk(job.index, 0);
    Ok(())
}

/// Takes over what the hub says of a large file, which must not differ from the catalogue.
fn take_over(job: &mut Job, linked: Linked) -> Result<(), Failure> {
    check_size(job, linked.size)?;
    if let (Some(expected), Some(found)) = (job.sha256, linked.sha256)
        && expected != found
    {
        return Err(Failure::last(StoreError::WrongHash { file: job.path.to_string(), expected, found }));
    }
    job.size = job.size.or(linked.size);
    job.sha256 = job.sha256.or(linked.sha256);
    Ok(())
}

fn check_size(job: &Job, found: Option<u64>) -> Result<(), Failure> {
    match (job.size, found) {
        (Some(expected), Some(found)) if expected != found => {
            Err(Failure::last(StoreError::WrongSize { file: job.path.to_string(), expected, found }))
        }
        _ => Ok(()),
    }
}

/// Where the file ends, for an answer that has all of it.
fn end_of_full_answer(job: &Job, response: &Response) -> Result<Option<u64>, Failure> {
    let length = response.content_length();
    check_size(job, length)?;
    let framed = length.is_some()
        || response.version() == reqwest::Version::HTTP_2
        || response.headers().contains_key(TRANSFER_ENCODING);
    if !framed && job.size.is_none() && job.sha256.is_none() {
        // Such an answer ends when the connection does, and nobody could tell a whole file from a cut one.
        let detail = "it does not say how long the file is".into();
        return Err(Failure::again(StoreError::BadAnswer { url: shown(&job.url), detail }));
    }
    Ok(length.or(job.size))
}

/// An ETag that stands for the same bytes; weak ones do not.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?.trim();
    (etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"')).then(|| etag.to_owned())
}

/// Start and total of `Content-Range: bytes start-end/total`; the total may be `*`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse::<u64>().ok()?),
    };
    (start <= end && total.is_none_or(|total| end < total)).then_some((start, total))
}

/// Total of `Content-Range: bytes */total`.
fn unsatisfied_total(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes */")?.parse().ok()
}

impl Failure {
    fn into_retry(self) -> Self {
        Self { retry: true, ..self }
    }
}

/// Whether a file from an earlier run is what the catalogue wants. A file that is not is removed.
pub(super) async fn check_existing(
    job: Job,
    tree: PathBuf,
    cancel: Cancel,
    store: ModelStore,
    lock: Arc<Lock>,
) -> Result<Option<FileDigest>, StoreError> {
    blocking(move || {
        let _lock = lock;
        let path = job.path.under(&tree);
        let Ok(metadata) = std::fs::symlink_metadata(&path) else {
            return Ok(None);
        };
        if metadata.is_file() && job.size.is_none_or(|size| size == metadata.len()) {
            let mut cache = store.cache();
            let (size, sha256) = cache.digest(&path, &cancel, |_| ())?;
            cache.save();
            if job.sha256.is_none_or(|wanted| wanted == sha256) && size > 0 {
                return Ok(Some(FileDigest { path: job.path, size, sha256 }));
            }
        }
        disk::remove_all(&path)?;
        Ok(None)
    })
    .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(name: reqwest::header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn ranges_are_read_strictly() {
        let range = |value: &str| content_range(&headers(CONTENT_RANGE, value));
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 0-0/*"), Some((0, None)));
        for bad in [
            "",
            "bytes",
            "bytes */10",
            "bytes 5-4/10",
            "bytes 5-10/10",
            "bytes -5/10",
            "items 0-1/2",
            "bytes 99999999999999999999-1/2",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
        assert_eq!(unsatisfied_total(&headers(CONTENT_RANGE, "bytes */10")), Some(10));
        assert_eq!(unsatisfied_total(&headers(CONTENT_RANGE, "bytes 0-1/10")), None);
    }

    #[test]
    fn weak_and_malformed_etags_are_not_used() {
        let etag = |value: &str| strong_etag(&headers(ETAG, value));
        assert_eq!(etag("\"abc\"").as_deref(), Some("\"abc\""));
        for bad in ["W/\"abc\"", "abc", "\"", "\"\"", ""] {
            assert_eq!(etag(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_reading_panic(value in "[ -~]{0,60}") {
            let _ = content_range(&headers(CONTENT_RANGE, &value));
            let _ = unsatisfied_total(&headers(CONTENT_RANGE, &value));
            let _ = strong_etag(&headers(ETAG, &value));
        }
    }
}
