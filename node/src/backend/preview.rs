//! How a clip looks while it is made: for who ordered it, and for who computes it.

use infernet_api::JobId;
use infernet_engine::video::{Clip, png};

use super::{NodeBackend, convert};
use crate::http::Preview;

impl NodeBackend {
    /// The step of the newest picture of a job.
    pub(super) fn preview_step(&self, id: JobId) -> Option<u32> {
        let roles = self.node().roles();
        if let Some((step, _)) = roles.requester.as_ref().and_then(|requester| requester.preview(convert::wire_job(id)))
        {
            return Some(step);
        }
        self.mined_preview(id).map(|preview| preview.step)
    }

    /// The newest picture of a job as a PNG file; none where there is none.
    pub(super) fn newest_preview(&self, id: JobId) -> Option<Result<Preview, String>> {
        let roles = self.node().roles();
        if let Some((step, preview)) =
            roles.requester.as_ref().and_then(|requester| requester.preview(convert::wire_job(id)))
        {
            return Some(encoded(step, preview.width, preview.height, preview.rgb.to_vec()));
        }
        let preview = self.mined_preview(id)?;
        Some(encoded(preview.step, preview.width, preview.height, preview.rgb.clone()))
    }

    fn mined_preview(&self, id: JobId) -> Option<std::sync::Arc<crate::worker::Preview>> {
        let snapshot = self.node().roles().miner.as_ref()?.snapshot();
        let snapshot = snapshot.borrow();
        snapshot.preview.clone().filter(|_| snapshot.job.map(convert::job_id) == Some(id))
    }
}

fn encoded(step: u32, width: u16, height: u16, rgb: Vec<u8>) -> Result<Preview, String> {
    // A picture is a clip of one frame; its rate means nothing.
    let clip = Clip::new(u32::from(width), u32::from(height), 1.0, rgb).map_err(|error| error.to_string())?;
    let png = png::encode_frame(&clip, 0).map_err(|error| error.to_string())?;
    Ok(Preview { png, step })
}
