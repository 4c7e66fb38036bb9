//! Asking for a part again.

use std::io::Cursor;
use std::sync::Arc;

use egui::ColorImage;
use infernet_api::client::ClientError;
use infernet_api::types::job::{JobFilter, JobPart, MAX_PAGE};
use infernet_api::types::money::{EarningsQuery, ReceiptFilter};
use infernet_api::{ErrorCode, JobId};

use super::clip;
use super::thread::{Link, problem};
use crate::snapshot::{Part, Preview};

/// Most thumbnails that are made after a list of jobs came.
const MAX_THUMBNAILS: usize = 48;
/// Largest preview in pixels.
const MAX_PREVIEW_PIXELS: usize = 4096 * 4096;

/// Asks for a part and puts it into the snapshot.
pub(super) async fn refresh(link: Link, part: Part) {
    let Ok(_permit) = link.requests.acquire().await else { return };
    let client = &link.client;
    macro_rules! load {
        ($field:ident, $call:expr) => {{
            let result = $call.await.map_err(|error: ClientError| problem(&error));
            link.update(|snapshot| snapshot.$field.update(result));
        }};
    }
    match part {
        Part::Status => load!(status, client.status()),
        Part::Devices => match client.devices().await {
            Ok(devices) => link.update(|snapshot| snapshot.devices_read(devices)),
            Err(error) => link.update(|snapshot| snapshot.devices.update(Err(problem(&error)))),
        },
        Part::Jobs => jobs(&link).await,
        Part::Earnings => {
            let bucket = Some(link.read(|snapshot| snapshot.bucket));
            load!(earnings, client.earnings(&EarningsQuery { bucket, ..EarningsQuery::default() }));
        }
        Part::Receipts => {
            load!(receipts, client.receipts(&ReceiptFilter { limit: Some(MAX_PAGE), ..ReceiptFilter::default() }));
        }
        Part::Stake => load!(stake, client.stake()),
        Part::Refunds => load!(refunds, client.refunds()),
        Part::Trust => load!(trust, client.trust()),
        Part::Peers => load!(peers, client.peers()),
        Part::Models => load!(models, client.models()),
        Part::Settings => load!(settings, client.settings()),
        Part::Preview(job) => preview(&link, job).await,
    }
}

async fn jobs(link: &Link) {
    let filter = JobFilter { limit: Some(MAX_PAGE), ..JobFilter::default() };
    let result = link.client.jobs(&filter).await.map_err(|error| problem(&error));
    let wanted = link.update(|snapshot| {
        snapshot.jobs.update(result);
        let jobs = snapshot.jobs.ready().map(|list| list.jobs.as_slice()).unwrap_or_default();
        let mut previews = Vec::new();
        let mut clips = Vec::new();
        for job in jobs.iter().filter(|job| job.part == JobPart::Requested) {
            if job.preview_step.is_some() && !job.stage.is_final() && !snapshot.previews.contains_key(&job.id) {
                previews.push(job.id);
            }
            let known = snapshot.thumbnails.contains_key(&job.id);
            if job.clip.as_ref().is_some_and(|clip| clip.bytes <= clip::MAX_THUMBNAIL_BYTES) && !known {
                clips.push(job.id);
            }
        }
        clips.truncate(MAX_THUMBNAILS);
        (previews, clips)
    });
    for job in wanted.0 {
        preview(link, job).await;
    }
    for job in wanted.1 {
        // A clip that can't be shown has no thumbnail; playing it says why.
        if let Ok(clip) = clip::fetch(link, job).await {
            clip::keep(link, job, clip);
        }
    }
}

async fn preview(link: &Link, job: JobId) {
    match link.client.preview(job).await {
        Ok((png, step)) => {
            if let Some(picture) = picture(&png) {
                link.update(|snapshot| snapshot.previews.insert(job, Preview { step, picture: Arc::new(picture) }));
            }
        }
        // There is none: the next event tells of the next one.
        Err(ClientError::Api(error)) if error.code == ErrorCode::PreviewNotFound => {}
        Err(error) => tracing::debug!(%job, %error, "no preview"),
    }
}

/// A PNG file as a picture; nothing where it is none, or too large.
fn picture(png: &[u8]) -> Option<ColorImage> {
    let mut decoder = png::Decoder::new(Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width.checked_mul(height)? > MAX_PREVIEW_PIXELS {
        return None;
    }
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    let pixels = &pixels[..info.buffer_size()];
    let size = [width, height];
    match info.color_type {
        png::ColorType::Rgb => Some(ColorImage::from_rgb(size, pixels)),
        png::ColorType::Rgba => Some(ColorImage::from_rgba_unmultiplied(size, pixels)),
        png::ColorType::Grayscale => Some(ColorImage::from_gray(size, pixels)),
        _ => None,
    }
}
