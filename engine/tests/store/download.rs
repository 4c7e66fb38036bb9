//! Downloads as a whole: what arrives, what is repaired, what two of them do to each other.

use std::fs;

use infernet_engine::store::{Cancel, DownloadOptions, FileVerdict, ModelState, Progress, ProxyMode, StoreError};
use tokio::sync::watch;

use super::case::{Case, hangs_once, options, wait_until};
use super::model::{self, Known, UNET, assert_complete};
use super::server::{Request, Server, good};

#[tokio::test(flavor = "multi_thread")]
async fn a_download_arrives_once_and_is_known_from_the_disk_alone() {
    for known in [Known::SizeAndHash, Known::Hash, Known::Size, Known::Nothing] {
        let case = Case::new(known, good).await;
        assert_eq!(case.store.info("m").unwrap().state, ModelState::NotDownloaded);
        assert_eq!(case.store.open("m").unwrap_err().code(), "model.not_downloaded");
        let (progress, seen) = watch::channel(Progress::Starting);
        case.store.download("m", &options(), &progress, &Cancel::new()).await.unwrap();
        assert_eq!(*seen.borrow(), Progress::Done);
        assert_complete(&case.store, &case.files);
        assert_eq!(case.store.info("m").unwrap().state, ModelState::Complete);
        assert!(case.server.most_at_once() <= options().parallel_files + 1, "{}", case.server.most_at_once());
        for path in case.files.keys() {
            assert_eq!(case.server.gets(path).len(), 1, "{path}");
        }

        case.server.forget_requests();
        case.assert_arrives().await;
        assert!(case.server.requests().is_empty(), "what is there was asked for again");
        let report = case.store.verify("m", &watch::Sender::default(), &Cancel::new()).unwrap();
        assert!(report.is_good() && report.files.iter().all(|file| file.verdict == FileVerdict::Matches), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_downloads_of_one_model_do_not_meet() {
    let case = Case::new(Known::SizeAndHash, hangs_once).await;
    let (progress, cancel) = (watch::Sender::default(), Cancel::new());
    let stop = cancel.clone();
    let (first, ()) = tokio::join!(async { case.store.download("m", &options(), &progress, &cancel).await }, async {
        wait_until("the first to run", || case.part_len() >= 1 << 20).await;
        assert_eq!(case.download().await.unwrap_err().code(), "model.busy");
        let store = case.store.clone();
        let removed = tokio::task::spawn_blocking(move || store.remove("m")).await.unwrap();
        assert_eq!(removed.unwrap_err().code(), "model.busy");
        stop.cancel();
    });
    assert_eq!(first.unwrap_err().code(), "cancelled");
    case.assert_arrives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_before_anything_is_fetched() {
    let case = Case::new(Known::SizeAndHash, good).await;
    let error = case.download_with(&DownloadOptions { reserve_bytes: u64::MAX / 2, ..options() }).await.unwrap_err();
    let StoreError::DiskFull { needed_bytes, free_bytes, .. } = error else { panic!("{error}") };
    assert!(needed_bytes > u64::MAX / 2 && free_bytes > 0);
    assert!(case.server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_model_is_repaired_by_fetching_only_what_is_wrong() {
    let case = Case::new(Known::Hash, good).await;
    let root = case.download().await.unwrap().root().to_path_buf();
    fs::write(root.join("infernet.json"), r#"{"version": 1, "kept": true}"#).unwrap();

    fs::remove_file(root.join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    assert!(matches!(case.store.info("m").unwrap().state, ModelState::Broken { .. }));
    case.server.forget_requests();
    case.assert_arrives().await;
    let fetched: Vec<_> = case.server.requests().into_iter().filter(|request| request.method == "GET").collect();
    assert_eq!(fetched.iter().map(Request::file).collect::<Vec<_>>(), ["vae/diffusion_pytorch_model.safetensors"]);

    // One bit, with size and time stamp as before: only reading every byte can find it.
    let unet = root.join(UNET);
    let time = fs::metadata(&unet).unwrap().modified().unwrap();
    let mut content = fs::read(&unet).unwrap();
    content[1_000_000] ^= 0x10;
    fs::write(&unet, content).unwrap();
    model::set_time(&unet, time);
    let report = case.store.verify("m", &watch::Sender::default(), &Cancel::new()).unwrap();
    let bad: Vec<_> = report.files.iter().filter(|file| !file.verdict.is_good()).collect();
    assert!(
        matches!(&bad[..], [file] if file.path.as_str() == UNET && matches!(file.verdict, FileVerdict::WrongHash { .. })),
        "{report:?}"
    );
    case.server.forget_requests();
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [0]);
    assert_eq!(case.server.requests().iter().filter(|request| request.method == "GET").count(), 1);
    assert!(fs::read_to_string(root.join("infernet.json")).unwrap().contains("kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_files_are_no_model_is_refused() {
    let mut files = model::files(1_000);
    files.insert(UNET.to_owned(), b"not safetensors at all".to_vec());
    let served = files.clone();
    let server = Server::start(move |request| good(&served, request)).await;
    let dir = tempfile::tempdir().unwrap();
    let store = model::store(dir.path(), model::catalogue(&server.address, &files, Known::SizeAndHash));
    let error = store.download("m", &options(), &watch::Sender::default(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.code(), "model.damaged", "{error}");
    assert!(store.open("m").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_and_proxy_settings_are_used() {
    let case = Case::new(Known::SizeAndHash, |files, request| {
        let target = request.target.trim_start_matches("http://mirror.example/sub").to_owned();
        good(files, &Request { target, ..request.clone() })
    })
    .await;
    let proxied = DownloadOptions {
        mirror: Some("http://mirror.example/sub/".into()),
        proxy: ProxyMode::Address(case.server.address.clone()),
        allow_plain_http: true,
        ..options()
    };
    case.download_with(&proxied).await.unwrap();
    assert_complete(&case.store, &case.files);
    assert!(
        case.server
            .requests()
            .iter()
            .all(|request| { request.target.starts_with("http://mirror.example/sub/o/n/resolve/rev/") })
    );
}
