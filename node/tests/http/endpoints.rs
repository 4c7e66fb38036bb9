//! Every endpoint through the client, errors as JSON, and the description beside the routes.

use infernet_api::client::{Client, ClientConfig, ClientError, ServerTrust};
use infernet_api::types::job::{JobFilter, JobStage, NewJob};
use infernet_api::types::log::LogFilter;
use infernet_api::types::model::{ModelAction, ModelState};
use infernet_api::types::money::{ClaimRequest, EarningsQuery, ReceiptFilter, StakeAction, StakeRequest};
use infernet_api::types::settings::Settings;
use infernet_api::types::status::{MiningState, PauseRequest};
use infernet_api::{ErrorCode, JobId, RequestId};
use serde_json::{Value, json};

use crate::fixtures;
use crate::world::{World, token};

const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn the_node_answers() {
    let world = World::start();
    let client = world.client();
    client.is_alive().await.unwrap();
    assert_eq!(client.status().await.unwrap(), fixtures::status());
    assert_eq!(client.devices().await.unwrap(), fixtures::devices());
    assert_eq!(client.rescan_devices().await.unwrap(), fixtures::devices());
    assert_eq!(client.doctor().await.unwrap(), fixtures::doctor());
    assert_eq!(client.trust().await.unwrap(), fixtures::trust());
    assert_eq!(client.invitation().await.unwrap(), fixtures::invitation());
    assert_eq!(client.peers().await.unwrap(), fixtures::peers());
    assert_eq!(client.start_mining().await.unwrap().state, MiningState::Starting);
    let paused = client.pause_mining(&PauseRequest { for_secs: Some(60) }).await.unwrap();
    assert_eq!(paused.pause_ends_unix_ms, Some(fixtures::NOW_MS + 60_000));
    let metrics = client.metrics().await.unwrap();
    let line = r#"infernet_api_requests_total{route="/v1/status",method="GET",status="200"} 1"#;
    assert!(metrics.contains(line) && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(metrics.contains("\ninfernet_peers_connected 3.0\n"), "{metrics}");
    let log = client.log(&LogFilter { after: Some(1) }).await.unwrap();
    assert_eq!(log, fixtures::log(LogFilter { after: Some(1) }));
}

#[tokio::test]
async fn jobs_are_listed_in_pages() {
    let world = World::start();
    let client = world.client();
    let mut filter = JobFilter { limit: Some(2), ..JobFilter::default() };
    let mut numbers = Vec::new();
    loop {
        let page = client.jobs(&filter).await.unwrap();
        assert_eq!(page.total, 5);
        numbers.extend(page.jobs.iter().map(|job| job.id.0[0]));
        filter.before = page.next;
        if filter.before.is_none() {
            break;
        }
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1], "newest first, each once");
    let settled =
        JobFilter { stage: Some(JobStage::Settled), model: Some(fixtures::model_id()), ..JobFilter::default() };
    assert_eq!(client.jobs(&settled).await.unwrap().total, 2);
    let open = JobFilter { finished: Some(false), ..JobFilter::default() };
    assert_eq!(client.jobs(&open).await.unwrap().total, 3);
}

#[tokio::test]
async fn jobs_are_ordered_once() {
    let world = World::start();
    let client = world.client();
    let order = NewJob {
        request_id: Some(RequestId([7; 16])),
        width: Some(64),
        guidance: Some(2.5),
        ..NewJob::new(fixtures::model_id(), "ein roter Kreis 🔴")
    };
    assert_eq!(client.quote(&order).await.unwrap(), fixtures::quote());
    let job = client.submit(&order).await.unwrap();
    assert_eq!(job.prompt.as_deref(), Some("ein roter Kreis 🔴"));
    assert_eq!(client.submit(&order).await.unwrap().id, job.id, "an answer that was lost");
    assert_eq!(client.job(job.id).await.unwrap(), job);
    assert_eq!(client.cancel(job.id).await.unwrap().id, job.id);
    assert_eq!(client.proof(job.id).await.unwrap(), fixtures::proof(job.id));
    assert_eq!(client.preview(job.id).await.unwrap(), (b"\x89PNG".to_vec(), Some(9)));
}

#[tokio::test]
async fn money_moves() {
    let world = World::start();
    let client = world.client();
    assert_eq!(client.earnings(&EarningsQuery::default()).await.unwrap(), fixtures::earnings());
    assert_eq!(client.claim(&ClaimRequest::default()).await.unwrap(), fixtures::claimed(7_500));
    let some = ClaimRequest { request_id: None, amount_microcredits: Some(5) };
    assert_eq!(client.claim(&some).await.unwrap(), fixtures::claimed(5));
    assert_eq!(client.receipts(&ReceiptFilter::default()).await.unwrap(), fixtures::receipts());
    assert_eq!(client.stake().await.unwrap(), fixtures::stake());
    let stake =
        |amount| StakeRequest { request_id: None, action: StakeAction::Stake, amount_microcredits: Some(amount) };
    assert_eq!(client.change_stake(&stake(1)).await.unwrap(), fixtures::stake_changed());
    let error = client.change_stake(&stake(2_000_000)).await.unwrap_err();
    assert_eq!((error.code(), error.next_step().as_str()), ("insufficient_balance", "stake less"));
    assert_eq!(client.refunds().await.unwrap(), fixtures::refunds());
    assert_eq!(client.refund(JobId([2; 16])).await.unwrap(), fixtures::refund(JobId([2; 16])));
}

#[tokio::test]
async fn models_and_settings_change() {
    let world = World::start();
    let client = world.client();
    assert_eq!(client.models().await.unwrap(), fixtures::models());
    let model = client.change_model(&fixtures::model_id(), ModelAction::Download).await.unwrap();
    assert!(matches!(model.state, ModelState::Downloading { .. }));
    assert_eq!(client.settings().await.unwrap(), Settings::default());
    let patch = json!({"mining": {"user_idle_secs": 60}, "revision": 0});
    assert!(client.validate_settings(&patch).await.unwrap().is_ok());
    let changed = client.patch_settings(&patch).await.unwrap();
    assert_eq!((changed.revision, changed.mining.user_idle_secs), (1, 60));
    assert_eq!(client.settings().await.unwrap(), changed);
    assert_eq!(client.patch_settings(&patch).await.unwrap_err().code(), "settings_conflict");
    let check = client.validate_settings(&json!({"mining": {"user_idle_secs": 1}})).await.unwrap();
    assert_eq!(check.problems[0].field, "mining.user_idle_secs");
    assert_eq!(client.settings().await.unwrap(), changed, "validating changes nothing");
}

#[tokio::test]
async fn refusals_are_json() {
    let world = World::start();
    let job = |number: u8| format!("/v1/jobs/{}", JobId([number; 16]));
    for (path, code) in [
        ("/v1/nothing".to_owned(), "not_found"),
        ("/".to_owned(), "not_found"),
        ("/v1/status/".to_owned(), "not_found"),
        (job(99), "job_not_found"),
        (job(99) + "/proof", "job_not_found"),
        (job(2) + "/clip.mp4", "clip_not_found"),
        (job(2) + "/proof/bundle", "proof_not_found"),
    ] {
        assert_eq!(world.get(&path, &[]).await.refusal(), (404, code), "{path}");
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/status", "GET"),
        ("GET", "/v1/mining/pause", "POST"),
        ("PUT", "/v1/settings", "PATCH"),
        ("TRACE", "/v1/jobs", "GET"),
    ] {
        let reply = world.send(method, path, &[], "").await;
        assert_eq!(reply.refusal(), (405, "method_not_allowed"), "{method} {path}");
        assert!(reply.header("allow").unwrap().contains(allow), "{reply:?}");
    }
    for kind in [
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data",
        "X: y",
    ] {
        for path in ["/v1/jobs", "/v1/mining/pause", "/v1/stake"] {
            let reply = world.send("POST", path, &[kind], "{}").await;
            assert_eq!(reply.refusal(), (415, "unsupported_media_type"), "{kind} {path}");
        }
    }
    for body in ["{", "nonsense", "{\"prompt\":\"x\",\"model\":\"starter\"}{}", "\u{feff}{}"] {
        assert_eq!(world.send("POST", "/v1/jobs", &[JSON], body).await.refusal(), (400, "malformed_json"), "{body}");
    }
    let bodies = [
        ("/v1/jobs", json!({})),
        ("/v1/jobs", json!({"prompt": "x", "model": "../x"})),
        ("/v1/jobs", json!({"prompt": "x", "model": "starter", "colour": 1})),
        ("/v1/jobs", json!({"prompt": " ", "model": "starter"})),
        ("/v1/jobs", json!({"prompt": "x", "model": "starter", "width": 0})),
        ("/v1/jobs", json!({"prompt": "x", "model": "starter", "width": -1})),
        ("/v1/jobs/quote", json!({"prompt": "x", "model": "starter", "steps": 1_000_000})),
        ("/v1/stake", json!({"action": "stake"})),
        ("/v1/stake", json!({"action": "steal", "amount_microcredits": 1})),
        ("/v1/stake", json!({"action": "stake", "amount_microcredits": -1})),
        ("/v1/stake", json!({"action": "stake", "amount_microcredits": 1.5})),
        ("/v1/earnings/claim", json!({"amount_microcredits": 0})),
        ("/v1/mining/pause", json!({"for_secs": 0})),
        ("/v1/refunds", json!({"job": "x"})),
        ("/v1/models/starter", json!({"action": "eat"})),
    ];
    for (path, body) in bodies {
        let reply = world.send("POST", path, &[JSON], &body.to_string()).await;
        assert_eq!(reply.refusal(), (422, "invalid_request"), "{path} {body}");
    }
    for query in ["limit=0", "limit=501", "limit=x", "stage=sleeping", "before=x", "colour=red", "limit=1&limit=2"] {
        assert_eq!(world.get(&format!("/v1/jobs?{query}"), &[]).await.refusal(), (422, "invalid_query"), "{query}");
    }
    for query in ["bucket=year", "from_unix_ms=2&to_unix_ms=1", "from_unix_ms=0&to_unix_ms=18446744073709551615"] {
        assert_eq!(world.get(&format!("/v1/earnings?{query}"), &[]).await.refusal(), (422, "invalid_query"), "{query}");
    }
    let reply = world.send("PATCH", "/v1/settings", &[JSON], r#"{"mining":{"device":"toaster"}}"#).await;
    assert_eq!(reply.refusal(), (422, "invalid_settings"));
    assert_eq!(reply.error().field.as_deref(), Some("mining.device"));
    let asked: Vec<_> = world
        .node
        .calls()
        .into_iter()
        .filter(|call| !["job", "proof", "clip", "bundle", "patch_settings"].contains(call))
        .collect();
    assert_eq!(asked, [""; 0], "nothing reached the node");
}

#[tokio::test]
async fn bodies_may_be_left_out_where_nothing_is_needed() {
    let world = World::start();
    for path in ["/v1/mining/pause", "/v1/mining/start", "/v1/earnings/claim", "/v1/devices/rescan"] {
        assert_eq!(world.send("POST", path, &[], "").await.status, 200, "{path}");
        assert_eq!(world.send("POST", path, &[JSON], "{}").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn everything_described_is_served() {
    let world = World::start();
    let document: Value = serde_json::to_value(infernet_api::openapi::document()).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations += 1;
            if path == "/v1/events" {
                continue; // does not end; tested by itself
            }
            let path = path.replace("models/{id}", "models/starter").replace("{id}", &JobId([2; 16]).to_string());
            let reply = world.send(&method.to_uppercase(), &path, &[JSON], "{}").await;
            let known = reply.status < 400 || !["not_found", "method_not_allowed"].contains(&reply.refusal().1);
            assert!(known, "{method} {path}: {reply:?}");
            // A described success, or a described refusal.
            let status = reply.status.to_string();
            let name = item[method]["operationId"].as_str().unwrap();
            assert!(item[method]["responses"].get(&status).is_some(), "{name} answers {status}");
        }
    }
    assert_eq!(operations, 35);
}

#[tokio::test]
async fn the_client_says_what_to_do() {
    let world = World::start();
    let url = world.server.url();
    world.server.shutdown(std::time::Duration::from_secs(1)).await;
    let config = ClientConfig { url, token: token(), trust: ServerTrust::ThisComputer };
    let error = Client::new(&config).unwrap().status().await.unwrap_err();
    assert!(matches!(error, ClientError::NoNode { .. }), "{error:?}");
    assert!(error.to_string().starts_with("no node is running at http://127.0.0.1:"), "{error}");
    assert_eq!(error.next_step(), "start it with: infernet node");
    assert_eq!(ErrorCode::ALL.iter().filter(|code| code.name() == error.code()).count(), 0);
}
