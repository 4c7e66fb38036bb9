//! Wrong bytes, wrong sizes, refusals, redirects and nonsense from the source.

use infernet_engine::store::{Cancel, Catalogue, DownloadOptions, StoreError};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::case::{Case, UNET_LEN, options};
use super::model::{self, Files, Known, UNET};
use super::server::{Request, Server, Step, good, reply, serve, status};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_found_and_never_become_visible() {
    let corrupt = |files: &Files, request: &Request| {
        let mut content = files[UNET].clone();
        content[3_000_000] ^= 1;
        serve(&content, "\"bad\"", request)
    };
    let always = Case::new(Known::SizeAndHash, move |files, request| {
        if request.file() == UNET { corrupt(files, request) } else { good(files, request) }
    })
    .await;
    let error = always.assert_fails("file.wrong_hash").await;
    let StoreError::WrongHash { file, expected, found } = error else { panic!("{error}") };
    assert_eq!(file, UNET);
    assert_eq!(expected.to_string(), model::sha256(&always.files[UNET]));
    assert_ne!(expected, found);
    assert_eq!(always.unet_offsets(), [0, 0], "one fresh start, not more");
    assert_eq!(always.part_len(), 0, "wrong bytes are not gone on with");

    let once = Case::new(Known::SizeAndHash, move |files, request| {
        if request.file() == UNET && request.nth == 0 { corrupt(files, request) } else { good(files, request) }
    })
    .await;
    once.assert_arrives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_size_is_told_before_or_while_it_comes() {
    let longer = |files: &Files| {
        let mut content = files[UNET].clone();
        content.push(0);
        content
    };
    let said = Case::new(Known::SizeAndHash, move |files, request| {
        if request.file() == UNET { serve(&longer(files), "\"x\"", request) } else { good(files, request) }
    })
    .await;
    let error = said.assert_fails("file.wrong_size").await;
    assert!(matches!(error, StoreError::WrongSize { expected, found, .. } if found == expected + 1), "{error}");

    let unsaid = Case::new(Known::Size, move |files, request| {
        if request.file() != UNET {
            return good(files, request);
        }
        let content = longer(files);
        let mut chunked = format!("{:x}\r\n", content.len()).into_bytes();
        chunked.extend_from_slice(&content);
        chunked.extend_from_slice(b"\r\n0\r\n\r\n");
        reply("200 OK", &["Transfer-Encoding: chunked"], &chunked)
    })
    .await;
    unsaid.assert_fails("file.wrong_size").await;
    assert_eq!(unsaid.part_len(), 0);

    let short = Case::new(Known::Size, move |files, request| {
        let content = &files[UNET];
        if request.file() == UNET {
            serve(&content[..content.len() - 1], "\"x\"", request)
        } else {
            good(files, request)
        }
    })
    .await;
    short.assert_fails("file.wrong_size").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_unknown_length_is_only_taken_where_something_else_proves_it() {
    let endless = |files: &Files, request: &Request| match request.file() {
        UNET if request.method == "HEAD" => status("405 Method Not Allowed"),
        UNET => reply("200 OK", &[], &files[UNET]),
        _ => good(files, request),
    };
    Case::new(Known::Hash, endless).await.assert_arrives().await;
    Case::new(Known::Nothing, endless).await.assert_fails("net.bad_answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart_and_not_repeated() {
    for (line, code) in [
        ("401 Unauthorized", "net.unauthorized"),
        ("403 Forbidden", "net.forbidden"),
        ("404 Not Found", "net.not_found"),
        ("410 Gone", "net.not_found"),
        ("400 Bad Request", "net.status"),
        ("304 Not Modified", "net.status"),
    ] {
        let case =
            Case::new(
                Known::SizeAndHash,
                move |files, request| {
                    if request.file() == UNET { status(line) } else { good(files, request) }
                },
            )
            .await;
        case.assert_fails(code).await;
        assert_eq!(case.unet_offsets(), [0], "{line} was asked again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_trouble_is_waited_out() {
    for line in ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "408 Request Timeout"] {
        let case = Case::new(Known::SizeAndHash, move |files, request| {
            if request.file() == UNET && request.nth < 2 { status(line) } else { good(files, request) }
        })
        .await;
        case.assert_arrives().await;
    }
    let limited = Case::new(Known::SizeAndHash, |files, request| {
        let first = request.file() == UNET && request.nth == 0;
        if first {
            reply("429 Too Many Requests", &["Retry-After: 1", "Content-Length: 0"], b"")
        } else {
            good(files, request)
        }
    })
    .await;
    limited.assert_arrives().await;

    let lasting = Case::new(Known::SizeAndHash, |_, _| status("503 Service Unavailable")).await;
    lasting.assert_fails("net.server").await;
    let long = Case::new(Known::SizeAndHash, |_, _| {
        reply("429 Too Many Requests", &["Retry-After: 86400", "Content-Length: 0"], b"")
    })
    .await;
    let error = long.assert_fails("net.rate_limited").await;
    assert!(error.to_string().contains("86400"), "{error}");
    for path in long.files.keys() {
        assert!(long.server.gets(path).len() <= 1, "a wait of a day was not respected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_within_bounds() {
    let elsewhere = Case::new(Known::SizeAndHash, |files, request| match request.target.strip_prefix("/blob") {
        Some(rest) => good(files, &Request { target: rest.to_owned(), ..request.clone() }),
        None => reply("302 Found", &[&format!("Location: /blob{}", request.target), "Content-Length: 0"], b""),
    })
    .await;
    elsewhere.assert_arrives().await;

    let endless = Case::new(Known::SizeAndHash, |_, request| {
        reply("307 Temporary Redirect", &[&format!("Location: {}", request.target), "Content-Length: 0"], b"")
    })
    .await;
    endless.assert_fails("net.too_many_redirects").await;

    let insecure = Case::new(Known::SizeAndHash, |_, _| {
        reply("302 Found", &["Location: http://hub.example/x?key=secret", "Content-Length: 0"], b"")
    })
    .await;
    let error = insecure.assert_fails("net.insecure_redirect").await;
    assert!(error.to_string().contains("hub.example") && !error.to_string().contains("secret"), "{error}");

    for location in ["Location: http://[bad", "Location: \u{1}", "X: y"] {
        let nowhere =
            Case::new(Known::SizeAndHash, move |_, _| reply("302 Found", &[location, "Content-Length: 0"], b"")).await;
        let error = nowhere.download().await.unwrap_err();
        assert_eq!(error.code(), "net.bad_answer", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hash_that_the_hub_gives_must_match() {
    // As the hub does it: the answer that redirects carries size and hash of the large file.
    fn hub(files: &Files, request: &Request, linked_sha256: &str, served: &[u8]) -> Vec<Step> {
        if let Some(rest) = request.target.strip_prefix("/blob") {
            return serve(served, "\"blob\"", &Request { target: rest.to_owned(), ..request.clone() });
        }
        if request.file() != UNET {
            return good(files, request);
        }
        let linked = [format!("X-Linked-Size: {}", files[UNET].len()), format!("X-Linked-Etag: \"{linked_sha256}\"")];
        let location = format!("Location: /blob{}", request.target);
        reply("302 Found", &[&location, &linked[0], &linked[1], "Content-Length: 0"], b"")
    }
    let right = model::sha256(&model::files(UNET_LEN)[UNET]);
    let sha256 = right.clone();
    let good_hub = Case::new(Known::Nothing, move |files, request| hub(files, request, &sha256, &files[UNET])).await;
    good_hub.assert_arrives().await;

    let sha256 = right.clone();
    let bad_storage = Case::new(Known::Nothing, move |files, request| {
        let mut served = files[UNET].clone();
        served[2_000_000] ^= 4;
        hub(files, request, &sha256, &served)
    })
    .await;
    bad_storage.assert_fails("file.wrong_hash").await;

    let other_file = Case::new(Known::Hash, |files, request| hub(files, request, &"ab".repeat(32), &files[UNET])).await;
    let error = other_file.assert_fails("file.wrong_hash").await;
    let StoreError::WrongHash { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected.to_string(), found.to_string()), (right, "ab".repeat(32)));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_make_no_sense_are_no_panic() {
    let raw = |text: &'static [u8]| {
        move |files: &Files, request: &Request| {
            if request.file() == UNET { vec![Step::Send(text.to_vec())] } else { good(files, request) }
        }
    };
    for text in [
        &b"\x00\xff\xfe garbage \r\n\r\n"[..],
        b"HTTP/1.1 999999 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n0123456789",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"",
    ] {
        let case = Case::new(Known::Hash, raw(text)).await;
        let error = case.download().await.unwrap_err();
        let expected = ["net.bad_answer", "net.interrupted", "net.connect"];
        assert!(expected.contains(&error.code()), "{:?}: {error}", String::from_utf8_lossy(text));
        assert!(case.store.open("m").is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_below_http_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = async |hub: &str| {
        let store = model::store(dir.path(), model::catalogue(hub, &model::files(10), Known::SizeAndHash));
        let options = DownloadOptions { max_attempts: 1, ..options() };
        store.download("m", &options, &watch::Sender::default(), &Cancel::new()).await.unwrap_err()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let tls = attempt(&format!("https://{address}")).await;
    assert_eq!(tls.code(), "net.tls", "{tls}");

    plain.abort();
    let _ = plain.await;
    let connect = attempt(&format!("http://{address}")).await;
    assert_eq!(connect.code(), "net.connect", "{connect}");

    // A resolver that makes up answers leads to no connection instead.
    let dns = attempt("https://no-such-host.invalid").await;
    assert!(["net.dns", "net.connect", "net.tls"].contains(&dns.code()), "{dns}");
    let insecure = attempt("http://hub.example").await;
    assert_eq!(insecure.code(), "net.insecure_source", "{insecure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_can_not_fill_the_disk() {
    // Nobody knows how long the file is, the catalogue says about how long; the source sends without end.
    let files = model::files(1_000);
    let served = files.clone();
    let server = Server::start(move |request| {
        if request.file() != UNET {
            return good(&served, request);
        }
        if request.method == "HEAD" {
            return status("405 Method Not Allowed");
        }
        let mut steps = reply("200 OK", &["Transfer-Encoding: chunked"], b"");
        let chunk = [&b"100000\r\n"[..], &vec![7; 1 << 20], b"\r\n"].concat();
        steps.extend(std::iter::repeat_n(Step::Send(chunk), 64));
        steps
    })
    .await;
    let text = toml::to_string(&model::catalogue(&server.address, &files, Known::Nothing)).unwrap();
    let line = format!("path = \"{UNET}\"");
    let catalogue = Catalogue::from_toml(&text.replace(&line, &format!("{line}\napprox_size = 1_000"))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = model::store(dir.path(), catalogue);
    let error = store.download("m", &options(), &watch::Sender::default(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.code(), "net.bad_answer", "{error}");
    let part = store.models_dir().join(format!(".partial/m/parts/{UNET}.part"));
    assert_eq!(std::fs::metadata(part).unwrap().len(), 0);
}
