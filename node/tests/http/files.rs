//! Clips and bundles: RFC 9110 ranges, conditions, and files that are gone.

use infernet_api::client::ClientError;
use infernet_api::{Digest, JobId};
use sha2::{Digest as _, Sha256};

use crate::world::World;

const LENGTH: usize = 1000;

struct Stored {
    world: World,
    folder: tempfile::TempDir,
    content: Vec<u8>,
    tag: String,
    path: String,
}

fn stored() -> Stored {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..LENGTH).map(|index| (index * 7 % 251) as u8).collect();
    let file = folder.path().join("clip.mp4");
    std::fs::write(&file, &content).unwrap();
    let sha256 = Digest(Sha256::digest(&content).into());
    let world = World::start();
    world.node.store(file, sha256);
    Stored {
        world,
        folder,
        content,
        tag: format!("\"{sha256}\""),
        path: format!("/v1/jobs/{}/clip.mp4", "02".repeat(16)),
    }
}

#[tokio::test]
async fn whole_files_come_whole() {
    let stored = stored();
    let reply = stored.world.get(&stored.path, &[]).await;
    assert_eq!((reply.status, &reply.body), (200, &stored.content));
    assert_eq!(reply.header("content-type"), Some("video/mp4"));
    assert_eq!(reply.header("content-length"), Some("1000"));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    assert_eq!(reply.header("etag"), Some(stored.tag.as_str()));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let head = stored.world.send("HEAD", &stored.path, &[], "").await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("1000")));
    let bundle = stored.world.get(&stored.path.replace("clip.mp4", "proof/bundle"), &[]).await;
    assert_eq!((bundle.status, bundle.header("content-type")), (200, Some("application/octet-stream")));
}

#[tokio::test]
async fn ranges_are_served() {
    let stored = stored();
    let cases = [
        ("bytes=0-99", 0..100),
        ("bytes=0-0", 0..1),
        ("bytes=900-", 900..1000),
        ("bytes=-100", 900..1000),
        ("bytes=-5000", 0..1000),
        ("bytes=999-999", 999..1000),
        ("bytes=500-5000", 500..1000),
    ];
    for (range, expected) in cases {
        let reply = stored.world.get(&stored.path, &[&format!("Range: {range}")]).await;
        assert_eq!(reply.status, 206, "{range}");
        assert_eq!(reply.body, stored.content[expected.clone()], "{range}");
        let content_range = format!("bytes {}-{}/{LENGTH}", expected.start, expected.end - 1);
        assert_eq!(reply.header("content-range"), Some(content_range.as_str()));
        assert_eq!(reply.header("content-length"), Some(expected.len().to_string().as_str()));
    }
    for range in ["bytes=1000-", "bytes=5000-6000", "bytes=-0"] {
        let reply = stored.world.get(&stored.path, &[&format!("Range: {range}")]).await;
        assert_eq!(reply.refusal(), (416, "range_not_satisfiable"), "{range}");
        assert_eq!(reply.header("content-range"), Some("bytes */1000"));
    }
    for range in ["bytes=0-1,5-6", "lines=0-1", "bytes=9-5", "bytes=x-y"] {
        let reply = stored.world.get(&stored.path, &[&format!("Range: {range}")]).await;
        assert_eq!((reply.status, reply.body.len()), (200, LENGTH), "{range}");
    }
}

#[tokio::test]
async fn conditions_are_kept() {
    let stored = stored();
    let Stored { world, path, tag, .. } = &stored;
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let reply = world.get(path, &[&format!("If-None-Match: {known}")]).await;
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{known}");
        assert_eq!(reply.header("etag"), Some(tag.as_str()));
    }
    assert_eq!(world.get(path, &["If-None-Match: \"other\""]).await.status, 200);
    for (condition, status) in [(tag.clone(), 206), ("\"other\"".to_owned(), 200), (format!("W/{tag}"), 200)] {
        let reply = world.get(path, &["Range: bytes=0-9", &format!("If-Range: {condition}")]).await;
        assert_eq!(reply.status, status, "{condition}");
    }
}

#[tokio::test]
async fn files_that_are_gone_are_said_to_be() {
    let stored = stored();
    std::fs::remove_file(stored.folder.path().join("clip.mp4")).unwrap();
    let reply = stored.world.get(&stored.path, &[]).await;
    assert_eq!(reply.refusal(), (404, "clip_not_found"));
    assert!(!String::from_utf8_lossy(&reply.body).contains(stored.folder.path().to_str().unwrap()));
    stored.world.node.store(stored.folder.path().to_owned(), Digest([0; 32]));
    assert_eq!(stored.world.get(&stored.path, &[]).await.refusal(), (404, "clip_not_found"), "a folder is no file");
}

#[tokio::test]
async fn the_client_checks_what_arrives() {
    let stored = stored();
    let (client, id) = (stored.world.client(), JobId([2; 16]));
    let mut saved = Vec::new();
    let file = client.clip(id).await.unwrap();
    assert_eq!((file.length(), file.sha256().is_some()), (Some(LENGTH as u64), true));
    assert_eq!(file.save(&mut saved).await.unwrap(), LENGTH as u64);
    assert_eq!(saved, stored.content);
    stored.world.node.store(stored.folder.path().join("clip.mp4"), Digest([3; 32]));
    let error = client.clip(id).await.unwrap().save(&mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn empty_files_are_served() {
    let stored = stored();
    let file = stored.folder.path().join("empty");
    std::fs::write(&file, b"").unwrap();
    stored.world.node.store(file, Digest([4; 32]));
    let reply = stored.world.get(&stored.path, &[]).await;
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("0")));
    let reply = stored.world.get(&stored.path, &["Range: bytes=0-"]).await;
    assert_eq!(reply.refusal(), (416, "range_not_satisfiable"));
}
