//! Going on after cuts, stalls, kills and cancels, without ever mixing two files.

use std::fs;
use std::time::Duration;

use infernet_engine::store::{Cancel, DownloadOptions, ModelState, Progress};
use tokio::sync::watch;

use super::case::{Case, hangs_once, options, wait_until};
use super::model::{Files, Known, UNET, assert_complete};
use super::server::{Request, Step, cut, good, reply, serve, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_goes_on_where_it_broke() {
    for known in [Known::SizeAndHash, Known::Hash, Known::Nothing] {
        let case = Case::new(known, |files, request| {
            let steps = good(files, request);
            let cut_here =
                request.method == "GET" && request.file() == UNET && request.offset().unwrap_or(0) < 2_800_000;
            if cut_here { cut(steps, 700_000, None) } else { steps }
        })
        .await;
        case.assert_arrives().await;
        assert_eq!(case.unet_offsets(), [0, 700_000, 1_400_000, 2_100_000, 2_800_000], "{known:?}");
        let later = &case.server.gets(UNET)[1];
        assert_eq!(later.header("if-range"), Some("\"v1\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_always_breaks_at_once_is_given_up_on() {
    let case = Case::new(Known::SizeAndHash, |files, request| {
        let steps = good(files, request);
        if request.file() == UNET { cut(steps, 1_000, None) } else { steps }
    })
    .await;
    case.assert_fails("net.interrupted").await;
    assert_eq!(case.unet_offsets(), [0, 1_000, 2_000, 3_000]);
    assert_eq!(case.part_len(), 4_000, "what has arrived is kept");
    assert!(
        matches!(case.store.info("m").unwrap().state, ModelState::Partial { bytes_done, .. } if bytes_done >= 4_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_ranges_starts_the_file_anew() {
    let case = Case::new(Known::Hash, |files, request| {
        if request.file() != UNET {
            return good(files, request);
        }
        let content = &files[UNET];
        let whole = reply("200 OK", &[&format!("Content-Length: {}", content.len())], content);
        if request.nth == 0 { cut(whole, 1_500_000, None) } else { whole }
    })
    .await;
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [0, 1_500_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_etag_and_hash_an_old_part_is_not_trusted() {
    let case = Case::new(Known::Nothing, |files, request| {
        if request.file() != UNET || request.method == "HEAD" {
            return good(files, request);
        }
        let content = &files[UNET];
        let whole = reply("200 OK", &[&format!("Content-Length: {}", content.len())], content);
        if request.nth == 0 { cut(whole, 1_500_000, None) } else { whole }
    })
    .await;
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_meanwhile_is_never_mixed() {
    // The second answer is the new file from its start, as If-Range asks for; or, from a broken server, its rest.
    for broken in [false, true] {
        let case = Case::new(Known::Nothing, move |files, request| {
            if request.file() != UNET || request.method == "HEAD" {
                return good(files, request);
            }
            let mut old = files[UNET].clone();
            old.iter_mut().for_each(|byte| *byte ^= 0x55);
            match request.nth {
                0 => cut(serve(&old, "\"old\"", request), 1_200_000, None),
                1 if broken => {
                    let mut request = request.clone();
                    request.headers.remove("if-range");
                    serve(&files[UNET], "\"new\"", &request)
                }
                _ => serve(&files[UNET], "\"new\"", request),
            }
        })
        .await;
        case.assert_arrives().await;
        assert_eq!(case.server.gets(UNET)[1].header("if-range"), Some("\"old\""));
        let expected: &[usize] = if broken { &[0, 1_200_000, 0] } else { &[0, 1_200_000] };
        assert_eq!(case.unet_offsets(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_transfer_is_started_again_and_given_up_on_in_the_end() {
    let stalling = |times: usize| {
        move |files: &Files, request: &Request| {
            let steps = good(files, request);
            if request.file() == UNET && request.nth < times { cut(steps, 10_000, Some(Step::Hang)) } else { steps }
        }
    };
    let options = DownloadOptions { stall_timeout: Duration::from_millis(300), ..options() };
    let once = Case::new(Known::SizeAndHash, stalling(1)).await;
    once.download_with(&options).await.unwrap();
    assert_complete(&once.store, &once.files);
    assert_eq!(once.unet_offsets(), [0, 10_000]);

    let always = Case::new(Known::SizeAndHash, stalling(usize::MAX)).await;
    assert_eq!(always.download_with(&options).await.unwrap_err().code(), "net.stalled");
    let silent = Case::new(Known::SizeAndHash, |_, _| vec![Step::Hang]).await;
    assert_eq!(silent.download_with(&options).await.unwrap_err().code(), "net.stalled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_trickle_is_no_stall() {
    let case = Case::new(Known::SizeAndHash, |files, request| {
        let steps = good(files, request);
        if request.file() != "vae/diffusion_pytorch_model.safetensors" {
            return steps;
        }
        let Some(Step::Send(bytes)) = steps.into_iter().next() else { panic!("nothing to send") };
        let (head, body) = bytes.split_at(bytes.len() - 20_000);
        let drops =
            body.chunks(100).flat_map(|drop| [Step::Pause(Duration::from_millis(4)), Step::Send(drop.to_vec())]);
        std::iter::once(Step::Send(head.to_vec())).chain(drops).collect()
    })
    .await;
    // Each pause is far below the limit, all together are above it.
    case.download_with(&DownloadOptions { stall_timeout: Duration::from_millis(400), ..options() }).await.unwrap();
    assert_complete(&case.store, &case.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_416_means_whole_or_start_anew() {
    // The part is whole, but nobody knew its size: the server says there is nothing after it.
    let case = Case::new(Known::Hash, |files, request| {
        if request.file() == UNET && request.method == "HEAD" { status("405 No") } else { good(files, request) }
    })
    .await;
    let parts = case.store.models_dir().join(".partial/m/parts/unet");
    fs::create_dir_all(&parts).unwrap();
    let part = parts.join("diffusion_pytorch_model.safetensors.part");
    fs::write(&part, &case.files[UNET]).unwrap();
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [case.files[UNET].len()]);

    // The part is longer than the file: of something else.
    let case = Case::new(Known::Hash, |files, request| {
        if request.file() == UNET && request.method == "HEAD" { status("405 No") } else { good(files, request) }
    })
    .await;
    let parts = case.store.models_dir().join(".partial/m/parts/unet");
    fs::create_dir_all(&parts).unwrap();
    let longer = case.files[UNET].len() + 5;
    fs::write(parts.join("diffusion_pytorch_model.safetensors.part"), vec![9; longer]).unwrap();
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [longer, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_with_wrong_bytes_costs_one_fresh_start() {
    let case = Case::new(Known::SizeAndHash, good).await;
    let parts = case.store.models_dir().join(".partial/m/parts/unet");
    fs::create_dir_all(&parts).unwrap();
    fs::write(parts.join("diffusion_pytorch_model.safetensors.part"), vec![9; 1_000_000]).unwrap();
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [1_000_000, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_download_goes_on_later() {
    let case = Case::new(Known::SizeAndHash, hangs_once).await;
    {
        let (progress, cancel, options) = (watch::Sender::default(), Cancel::new(), options());
        let download = case.store.download("m", &options, &progress, &cancel);
        tokio::select! {
            ended = download => panic!("ended: {ended:?}"),
            () = wait_until("two writes", || case.part_len() >= 2 << 20) => {}
        }
    }
    assert_eq!(case.store.open("m").unwrap_err().code(), "model.not_downloaded");
    assert!(matches!(case.store.info("m").unwrap().state, ModelState::Partial { .. }));
    case.assert_arrives().await;
    let offsets = case.unet_offsets();
    assert!(offsets.len() == 2 && (2 << 20..=2_500_000).contains(&offsets[1]), "{offsets:?}");
    for path in case.files.keys().filter(|path| *path != UNET) {
        assert_eq!(case.server.gets(path).len(), 1, "{path} had arrived and was fetched again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_download_keeps_every_byte() {
    let case = Case::new(Known::Nothing, hangs_once).await;
    let (cancel, (progress, seen)) = (Cancel::new(), watch::channel(Progress::Starting));
    let stop = cancel.clone();
    let (ended, ()) = tokio::join!(async { case.store.download("m", &options(), &progress, &cancel).await }, async {
        let arrived = || matches!(&*seen.borrow(), Progress::Downloading(transfer) if transfer.bytes_done >= 2_500_000);
        wait_until("all bytes before the hang", arrived).await;
        stop.cancel();
    });
    assert_eq!(ended.unwrap_err().code(), "cancelled");
    assert_eq!(case.part_len(), 2_500_000);
    case.assert_arrives().await;
    assert_eq!(case.unet_offsets(), [0, 2_500_000]);
}
