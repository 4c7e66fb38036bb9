//! Files.

use std::sync::OnceLock;

use plotters::prelude::*;
use plotters::style::register_font;

use super::canvas::{Canvas, FAMILY};
use super::{colour, layout};
use crate::error::{EconomicsError, Result};
use crate::figure::Figure;

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/Inter-Regular.subset.otf");
const BOLD: &[u8] = include_bytes!("../../../assets/fonts/Inter-SemiBold.subset.otf");

/// Pixels of a PNG for a logical one.
const PNG_SCALE: usize = 2;
/// Drawn pixels for one of the PNG, each way.
const SUPERSAMPLING: usize = 2;
/// See [`Canvas::sink`].
const PNG_SINK: f64 = 0.13;
/// Units of an SVG for a logical pixel; its view box makes up for it. Back ends round to whole units.
const SVG_SCALE: f64 = 10.0;

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotFormat {
    /// Scalable.
    Svg,
    /// Pixels.
    Png,
}

impl PlotFormat {
    /// By a file name's extension.
    ///
    /// # Errors
    /// When it is neither `svg` nor `png`.
    pub fn of_extension(extension: Option<&str>) -> Result<Self> {
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            other => Err(EconomicsError::parameter("the plot's extension", other.unwrap_or("missing"), "svg or png")),
        }
    }
}

/// The bytes of a figure's file.
///
/// # Errors
/// When the figure has no data to draw.
pub fn render(figure: &Figure, format: PlotFormat) -> Result<Vec<u8>> {
    register_fonts()?;
    match format {
        PlotFormat::Svg => svg(figure),
        PlotFormat::Png => png(figure),
    }
}

fn register_fonts() -> Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        register_font(FAMILY, FontStyle::Normal, REGULAR).is_ok()
            && register_font(FAMILY, FontStyle::Bold, BOLD).is_ok()
    });
    if *registered { Ok(()) } else { Err(failed("the fonts in the program can't be read")) }
}

fn failed(reason: impl std::fmt::Display) -> EconomicsError {
    EconomicsError::Figure { reason: reason.to_string() }
}

fn draw<DB: DrawingBackend>(
    figure: &Figure,
    area: &DrawingArea<DB, plotters::coord::Shift>,
    scale: f64,
    sink: f64,
) -> Result<()> {
    area.fill(&colour::PAPER).map_err(failed)?;
    layout::draw(&Canvas { area, scale, sink }, figure)?;
    area.present().map_err(failed)
}

fn svg(figure: &Figure) -> Result<Vec<u8>> {
    let (width, height) = layout::size(figure);
    let (wide, high) = (width * SVG_SCALE as u32, height * SVG_SCALE as u32);
    let mut text = String::new();
    draw(figure, &SVGBackend::with_string(&mut text, (wide, high)).into_drawing_area(), SVG_SCALE, 0.0)?;
    let tidy = text
        .replacen(
            &format!("width=\"{wide}\" height=\"{high}\""),
            &format!(
                "width=\"{width}\" height=\"{height}\" font-family=\"Inter, Segoe UI, Helvetica, Arial, sans-serif\""
            ),
            1,
        )
        // Said once above, or what holds anyway.
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "");
    // The back end puts every text on three lines.
    let joined: Vec<&str> = tidy.lines().collect();
    Ok(joined.join("\n").replace(">\n", ">").replace("\n<", "<").replace("/><", "/>\n<").into_bytes())
}

fn png(figure: &Figure) -> Result<Vec<u8>> {
    let (width, height) = layout::size(figure);
    let factor = PNG_SCALE * SUPERSAMPLING;
    let (wide, high) = (width as usize * factor, height as usize * factor);
    let mut pixels = vec![0u8; wide * high * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (wide as u32, high as u32)).into_drawing_area();
        draw(figure, &area, factor as f64, PNG_SINK)?;
    }
    let (wide, high) = (wide / SUPERSAMPLING, high / SUPERSAMPLING);
    let small = averaged(&pixels, wide, high);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, wide as u32, high as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&small).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Means of blocks of `SUPERSAMPLING` x `SUPERSAMPLING` pixels; `wide` and `high` are the result's.
fn averaged(pixels: &[u8], wide: usize, high: usize) -> Vec<u8> {
    let count = (SUPERSAMPLING * SUPERSAMPLING) as u32;
    let mut small = Vec::with_capacity(wide * high * 3);
    for y in 0..high {
        for x in 0..wide {
            for channel in 0..3 {
                let mut sum = count / 2;
                for dy in 0..SUPERSAMPLING {
                    for dx in 0..SUPERSAMPLING {
                        let index =
                            ((y * SUPERSAMPLING + dy) * wide * SUPERSAMPLING + x * SUPERSAMPLING + dx) * 3 + channel;
                        sum += u32::from(pixels[index]);
                    }
                }
                small.push((sum / count) as u8);
            }
        }
    }
    small
}
