//! One node that founds a network and does everything in it, driven through its API as programs do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use infernet_api::client::{Client, ClientConfig, ClientError, EventStream, ServerTrust, Update};
use infernet_api::types::job::{Job, JobFilter, JobPart, JobStage, NewJob};
use infernet_api::types::money::{ClaimRequest, EarningsQuery, ReceiptFilter, ReceiptKind};
use infernet_api::types::status::{MiningState, PauseReason, PauseRequest};
use infernet_api::{ApiToken, ErrorCode, JobId, RequestId, read_token};
use infernet_ledger::Journal;
use serde_json::{Value, json};

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
/// Far beyond what a job of four steps takes, so that a node that is stuck ends the test.
const PATIENCE: Duration = Duration::from_secs(300);

struct Running {
    up: Value,
    child: Child,
    url: String,
    token: ApiToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_infernet"))
            .args(["node", "--found", "test", "--roles", "miner,validator,requester", "--loopback", "--json"])
            .args(["--api-listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("INFERNET_ASSETS_DIR", ASSETS)
            .env("INFERNET_DATA_DIR", data.join("models"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        let up: Value = serde_json::from_str(&text).unwrap();
        let token = read_token(&PathBuf::from(up["token_file"].as_str().unwrap())).unwrap();
        Self { child, url: up["api"].as_str().unwrap().to_owned(), token, up }
    }

    fn client(&self) -> Client {
        let config = ClientConfig { url: self.url.clone(), token: self.token.clone(), trust: ServerTrust::default() };
        Client::new(&config).unwrap()
    }

    /// Head and body of an answer to a request for a part of a clip.
    fn range(&self, id: JobId, range: &str) -> (String, Vec<u8>) {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let token = self.token.reveal();
        write!(
            stream,
            "GET /v1/jobs/{id}/clip.mp4 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nRange: bytes={range}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
    }
}

fn refused(error: ClientError) -> ErrorCode {
    match error {
        ClientError::Api(error) => error.code,
        other => panic!("{other}"),
    }
}

/// Asks until what is wanted is there.
async fn until<T, F: Future<Output = Result<T, ClientError>>>(
    what: &str,
    ask: impl Fn() -> F,
    there: impl Fn(&T) -> bool,
) -> T {
    let start = Instant::now();
    loop {
        let answer = ask().await.unwrap();
        if there(&answer) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// By this computer's clock.
fn minute_of_day() -> u16 {
    let output = Command::new("date").arg("+%H %M").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let parts: Vec<u16> = text.split_whitespace().map(|part| part.parse().unwrap()).collect();
    parts[0] * 60 + parts[1]
}

fn order(prompt: &str) -> NewJob {
    let mut new = NewJob::new("starter".parse().unwrap(), prompt);
    new.request_id = Some(RequestId([9; 16]));
    new.steps = Some(4);
    new
}

async fn settled(client: &Client) -> Job {
    until("the stake", || client.stake(), |stake| stake.free_microcredits > 0).await;
    let new = order("a red circle moving right on a white background");
    let quote = client.quote(&new).await.unwrap();
    assert_eq!((quote.size.steps, quote.fee_microcredits), (4, 1200));
    assert!(quote.least_deposit_microcredits > quote.fee_microcredits, "the validator has its part");
    assert!(quote.suggested_deposit_microcredits >= quote.least_deposit_microcredits);
    let posted = client.submit(&new).await.unwrap();
    assert_eq!((posted.part, posted.prompt.as_deref()), (JobPart::Requested, Some(new.prompt.as_str())));
    assert_eq!(client.submit(&new).await.unwrap().id, posted.id, "the same request again is the same order");
    assert_eq!(refused(client.submit(&order("another")).await.unwrap_err()), ErrorCode::RequestIdReused);
    assert_eq!(refused(client.preview(posted.id).await.unwrap_err()), ErrorCode::PreviewNotFound);
    let job = until("the clip", || client.job(posted.id), |job| job.stage.is_final()).await;
    assert_eq!(job.stage, JobStage::Settled, "{job:?}");
    job
}

async fn the_job_is_told(node: &Running, client: &Client, job: &Job) {
    let verdict = job.verdict.as_ref().unwrap();
    assert!(verdict.accepted && verdict.checks.iter().all(|check| check.ok) && !verdict.audited_steps.is_empty());
    assert!(job.quality.as_ref().unwrap().score_ppm.is_some());
    let miner = &job.miners[0];
    assert!(miner.reward_microcredits > 0 && miner.locked_stake_microcredits > 0 && miner.slashed_microcredits == 0);
    for part in [JobPart::Requested, JobPart::Mined, JobPart::Validated] {
        let filter = JobFilter { part: Some(part), finished: Some(true), ..JobFilter::default() };
        let list = until("the end of every part", || client.jobs(&filter), |list| list.total == 1).await;
        assert_eq!((list.jobs[0].id, list.jobs[0].stage, list.next), (job.id, JobStage::Settled, None), "{part:?}");
        assert_eq!(list.jobs[0].prompt.is_some(), part == JobPart::Requested, "{part:?}: prompts are the requester's");
    }
    let info = job.clip.as_ref().unwrap();
    let mut clip = Vec::new();
    client.clip(job.id).await.unwrap().save(&mut clip).await.unwrap();
    assert_eq!(clip.len() as u64, info.bytes);
    assert_eq!(&clip[4..8], b"ftyp", "it is an MP4 file");
    let (head, body) = node.range(job.id, "4-19");
    assert!(head.starts_with("http/1.1 206 "), "{head}");
    assert!(head.contains(&format!("content-range: bytes 4-19/{}", clip.len())), "{head}");
    assert_eq!(body, &clip[4..20]);
    assert!(node.range(job.id, &format!("{}-", clip.len())).0.starts_with("http/1.1 416 "));
    let proof = client.proof(job.id).await.unwrap();
    assert!(proof.leaf_count > 4 && !proof.opened.is_empty() && proof.verdict.accepted);
    let mut bundle = Vec::new();
    client.bundle(job.id).await.unwrap().save(&mut bundle).await.unwrap();
    assert_eq!(bundle.len() as u64, proof.bundle.unwrap().bytes);
    assert_eq!(refused(client.job(JobId([0; 16])).await.unwrap_err()), ErrorCode::JobNotFound);
    assert_eq!(refused(client.cancel(job.id).await.unwrap_err()), ErrorCode::WrongStage);
    assert_eq!(refused(client.refund(job.id).await.unwrap_err()), ErrorCode::WrongStage);
}

async fn the_money_adds_up(client: &Client, job: &Job) {
    let earnings = client.earnings(&EarningsQuery::default()).await.unwrap();
    let reward = job.miners[0].reward_microcredits;
    assert_eq!(earnings.total_earned_microcredits, reward);
    assert_eq!(earnings.models.iter().map(|model| model.earned_microcredits).collect::<Vec<_>>(), [reward]);
    assert_eq!(earnings.buckets.len(), 30);
    assert_eq!(earnings.buckets.iter().map(|bar| bar.earned_microcredits).sum::<u64>(), reward);
    assert_eq!(earnings.total_spent_microcredits, job.deposit_microcredits - job.refunded_microcredits);
    // Miner and validator are one account here: the validator's part can be claimed too.
    assert!(earnings.claimable_microcredits >= reward);
    let request = ClaimRequest { request_id: Some(RequestId([3; 16])), amount_microcredits: None };
    let claimed = client.claim(&request).await.unwrap();
    assert_eq!(claimed.claimed_microcredits, earnings.claimable_microcredits);
    assert_eq!(claimed.balance_microcredits, earnings.balance_microcredits + earnings.claimable_microcredits);
    assert_eq!(client.claim(&request).await.unwrap(), claimed, "the same request again has no second effect");
    assert_eq!(refused(client.claim(&ClaimRequest::default()).await.unwrap_err()), ErrorCode::NothingToClaim);
    let receipts = client.receipts(&ReceiptFilter::default()).await.unwrap().receipts;
    assert_eq!(receipts[0].kind, ReceiptKind::Claim);
    let stake = client.stake().await.unwrap();
    let held = stake.balance_microcredits + stake.free_microcredits + stake.locked_microcredits;
    assert_eq!(receipts.iter().map(|receipt| receipt.change_microcredits).sum::<i64>(), i64::try_from(held).unwrap());
    let trust = client.trust().await.unwrap();
    let own = trust.own.unwrap();
    assert_eq!((own.jobs_accepted, own.jobs_rejected), (1, 0));
    assert_eq!(trust.history.iter().map(|point| point.trust_ppm).collect::<Vec<_>>(), [own.trust_ppm]);
    assert_eq!(trust.miners, [own]);
}

async fn the_owner_decides(client: &Client) {
    let settings =
        client.patch_settings(&json!({"policy": {"max_steps": 3}, "node": {"name": "a rig"}})).await.unwrap();
    assert_eq!(client.settings().await.unwrap(), settings);
    let refusal = client.patch_settings(&json!({"policy": {"max_steps": 0}})).await.unwrap_err();
    assert_eq!(refused(refusal), ErrorCode::InvalidSettings);
    let paused = client.pause_mining(&PauseRequest::default()).await.unwrap();
    assert_eq!((paused.state, paused.pause_reasons.contains(&PauseReason::Manual)), (MiningState::Paused, true));
}

/// Names of all events until the settings change.
async fn heard(mut events: EventStream) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    while !names.contains("settings") {
        if let Update::Event(event) = events.next().await {
            names.insert(event.kind.name());
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_from_order_to_claim() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("node");
    let node = Running::start(&data);
    let client = node.client();
    let events = client.events(None);
    // A stream of events stays on its thread.
    let listening = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(PATIENCE, heard(events)).await.unwrap() })
    });
    let job = settled(&client).await;
    the_job_is_told(&node, &client, &job).await;
    the_money_adds_up(&client, &job).await;
    let report = client.doctor().await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert!(client.devices().await.unwrap().devices.iter().any(|device| device.id == "cpu"));
    assert!(client.models().await.unwrap().models.iter().any(|model| model.digest == Some(job.model_digest)));
    the_owner_decides(&client).await;
    let heard = listening.join().unwrap();
    assert!(["job", "verdict", "worker", "mining"].iter().all(|name| heard.contains(name)), "{heard:?}");
    // Killed, not ended: what counts is on the disk.
    drop(node);
    let node = Running::start(&data);
    let status = node.client().status().await.unwrap();
    assert_eq!((status.mining.state, status.name.as_str()), (MiningState::Paused, "a rig"));
    assert_eq!(node.client().job(job.id).await.unwrap().stage, JobStage::Settled);
    drop(node);
    let journal = Journal::open_read_only(data.join("validator").join("ledger.sqlite")).unwrap();
    journal.verify().unwrap();
    assert!(journal.ledger().totals().conserved());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_rules_pause_and_their_end_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let node = Running::start(data.path());
    let client = node.client();
    let mining = async || Ok(client.status().await?.mining);
    until("the first state", mining, |mining| mining.state == MiningState::Waiting).await;

    // A program of the list: this one.
    let own = std::env::current_exe().unwrap();
    let name = own.file_name().unwrap().to_string_lossy().into_owned();
    client.patch_settings(&json!({"mining": {"pause_on_apps": [name]}})).await.unwrap();
    let paused = until("the pause", mining, |mining| mining.state == MiningState::Paused).await;
    assert_eq!(paused.pause_reasons, BTreeSet::from([PauseReason::AppRunning]));

    // Start ends a pause by hand, and no rule.
    client.pause_mining(&PauseRequest::default()).await.unwrap();
    let both = until("both", mining, |mining| mining.pause_reasons.len() == 2).await;
    assert!(both.pause_reasons.contains(&PauseReason::Manual));
    client.start_mining().await.unwrap();
    assert_eq!(mining().await.unwrap().pause_reasons, BTreeSet::from([PauseReason::AppRunning]));
    client.patch_settings(&json!({"mining": {"pause_on_apps": []}})).await.unwrap();
    until("work again", mining, |mining| mining.state == MiningState::Waiting).await;

    // An hour that is half a day away, whatever the clock says.
    let hours = |from: u16| json!({"days": [0, 1, 2, 3, 4, 5, 6], "from_minute": from, "to_minute": from + 60});
    let (now, day) = (minute_of_day(), 24 * 60);
    let from = (now + day / 2) % (day - 60);
    client.patch_settings(&json!({"mining": {"schedule": [hours(from)]}})).await.unwrap();
    let paused = until("the schedule's pause", mining, |mining| mining.state == MiningState::Paused).await;
    assert_eq!(paused.pause_reasons, BTreeSet::from([PauseReason::Schedule]));
    let opens = paused.pause_ends_unix_ms.expect("the schedule opens again");
    let away = opens.saturating_sub(paused.since_unix_ms) / 60_000;
    assert!((9 * 60..=15 * 60).contains(&away), "{away} minutes");
    client.patch_settings(&json!({"mining": {"schedule": []}})).await.unwrap();
    until("work again", mining, |mining| mining.state == MiningState::Waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_computers_reach_it_over_tls_alone() {
    let data = tempfile::tempdir().unwrap();
    let settings = "version = 1\n[api]\nremote = true\nremote_listen = \"127.0.0.1:0\"\nremote_hosts = [\"rig.example\", \"127.0.0.1\"]\n";
    std::fs::write(data.path().join("settings.toml"), settings).unwrap();
    let node = Running::start(data.path());
    let listen = node.up["remote"]["listen"].as_str().unwrap().to_owned();
    let fingerprint = node.up["remote"]["fingerprint"].as_str().unwrap().to_owned();
    let port = listen.rsplit_once(':').unwrap().1;
    let curl = |url: &str, token: &str| {
        let output = Command::new("curl")
            .args(["--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}"])
            .args([
                "--resolve",
                &format!("rig.example:{port}:127.0.0.1"),
                "--resolve",
                &format!("evil.example:{port}:127.0.0.1"),
            ])
            .args(["--header", &format!("Authorization: Bearer {token}"), url])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let token = node.token.reveal();
    assert_eq!(curl(&format!("https://rig.example:{port}/v1/status"), token), "200");
    assert_eq!(curl(&format!("https://rig.example:{port}/v1/status"), "0000"), "401");
    assert_eq!(curl(&format!("https://evil.example:{port}/v1/status"), token), "403", "a name that is not this node's");
    assert_eq!(curl(&format!("http://rig.example:{port}/v1/status"), token), "000", "nothing without TLS");

    // The fingerprint as openssl computes it, and our client with it and with another one.
    let shown = Command::new("sh")
        .args([
            "-c",
            &format!(
                "openssl s_client -connect {listen} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
            ),
        ])
        .output()
        .unwrap();
    let shown =
        String::from_utf8(shown.stdout).unwrap().trim().rsplit_once('=').unwrap().1.replace(':', "").to_lowercase();
    assert_eq!(shown, fingerprint);
    let ask = |trust: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_infernet"))
            .args(["status", "--json", "--url", &format!("https://{listen}"), "--fingerprint", trust])
            .args(["--token-file", node.up["token_file"].as_str().unwrap()])
            .env("INFERNET_DATA_DIR", data.path().join("elsewhere"))
            .output()
            .unwrap();
        output.status.success()
    };
    assert!(ask(&fingerprint));
    let last = if fingerprint.ends_with('0') { '1' } else { '0' };
    assert!(!ask(&format!("{}{last}", &fingerprint[..63])), "another certificate");
}
