//! Opens the window on a node of this computer: `cargo run -p infernet-ui --example dashboard -- URL TOKEN_FILE`.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use infernet_ui::{DashboardOptions, run_dashboard};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("expected the node's URL and its token file".into());
    };
    let token = infernet_api::read_token(Path::new(&file))?;
    let mut random = [0; 16];
    for half in random.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
    }
    run_dashboard(DashboardOptions::new(url, token, std::env::temp_dir(), random))?;
    Ok(())
}
