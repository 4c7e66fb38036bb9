//! A download against a server whose answers the test decides.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use infernet_engine::store::{Cancel, DownloadOptions, ModelDir, ModelStore, ProxyMode, StoreError};
use tempfile::TempDir;
use tokio::sync::watch;

use super::model::{self, Files, Known, UNET, assert_complete};
use super::server::{Request, Server, Step, cut, good};

/// Data of the UNet's weights: enough for several writes.
pub(crate) const UNET_LEN: usize = 3_500_000;

pub(crate) fn options() -> DownloadOptions {
    DownloadOptions {
        proxy: ProxyMode::Direct,
        stall_timeout: Duration::from_secs(20),
        max_attempts: 4,
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
        longest_asked_wait: Duration::from_secs(2),
        reserve_bytes: 0,
        ..DownloadOptions::default()
    }
}

/// A server, a store on an empty folder, and the files that should arrive.
pub(crate) struct Case {
    pub(crate) server: Server,
    pub(crate) store: ModelStore,
    pub(crate) files: Arc<Files>,
    _dir: TempDir,
}

impl Case {
    pub(crate) async fn new(
        known: Known,
        handler: impl Fn(&Files, &Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let files = Arc::new(model::files(UNET_LEN));
        let served = files.clone();
        let server = Server::start(move |request| handler(&served, request)).await;
        let dir = tempfile::tempdir().unwrap();
        let store = model::store(dir.path(), model::catalogue(&server.address, &files, known));
        Self { server, store, files, _dir: dir }
    }

    pub(crate) async fn download_with(&self, options: &DownloadOptions) -> Result<ModelDir, StoreError> {
        self.store.download("m", options, &watch::Sender::default(), &Cancel::new()).await
    }

    pub(crate) async fn download(&self) -> Result<ModelDir, StoreError> {
        self.download_with(&options()).await
    }

    pub(crate) async fn assert_arrives(&self) {
        self.download().await.unwrap();
        assert_complete(&self.store, &self.files);
    }

    pub(crate) async fn assert_fails(&self, code: &str) -> StoreError {
        let error = self.download().await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.next_step().is_empty());
        assert!(self.store.open("m").is_err(), "a model became visible that is not whole");
        error
    }

    /// Offsets that the UNet's weights were asked from.
    pub(crate) fn unet_offsets(&self) -> Vec<usize> {
        self.server.gets(UNET).iter().map(|request| request.offset().unwrap_or(0)).collect()
    }

    pub(crate) fn part_len(&self) -> u64 {
        fs::metadata(self.store.models_dir().join(format!(".partial/m/parts/{UNET}.part")))
            .map_or(0, |metadata| metadata.len())
    }
}

/// A server that hangs in the middle of the UNet's weights, the first time.
pub(crate) fn hangs_once(files: &Files, request: &Request) -> Vec<Step> {
    let steps = good(files, request);
    if request.method == "GET" && request.file() == UNET && request.nth == 0 {
        cut(steps, 2_500_000, Some(Step::Hang))
    } else {
        steps
    }
}

pub(crate) async fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen: {what}");
}
