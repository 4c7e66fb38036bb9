//! Nodes in processes of their own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::failure::{Failure, Result};

/// For one node to start, and for its miner to stake and be heard.
pub(super) const NODE_START: Duration = Duration::from_secs(60);

/// What a node says when it is up.
#[derive(Deserialize)]
pub(super) struct Up {
    pub(super) node: String,
    pub(super) invitation: String,
}

/// A node in a process of its own, ended with this value.
pub(super) struct NodeProcess {
    pub(super) child: Child,
    pub(super) up: Up,
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a node with these options and waits until it is up.
pub(super) fn start_node(folder: &Path, options: &[&str]) -> Result<NodeProcess> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["node", "--json", "--loopback", "--api-listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let Some(out) = child.stdout.take() else { return Err(Failure::Failed(anyhow::anyhow!("a node has no output"))) };
    // Its one JSON object ends with a line that is a closing brace.
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(out.take(1 << 20)).lines();
        let mut text = String::new();
        while let Some(Ok(line)) = lines.next() {
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        // The demonstration may have ended.
        let _ = send.send(text);
    });
    let text = receive.recv_timeout(NODE_START).unwrap_or_default();
    match serde_json::from_str::<Up>(&text) {
        Ok(up) => Ok(NodeProcess { child, up }),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::Failed(anyhow::anyhow!(
                "a node did not start in {} s; its messages are above",
                NODE_START.as_secs()
            )))
        }
    }
}
