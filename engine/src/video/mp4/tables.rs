//! Sample tables: where pictures lie in the file, and when they are shown.

use super::boxes::Reader;
use super::demux::require;
use crate::video::{Error, Result};

/// Bytes of each sample.
pub(super) fn sample_sizes(tables: Reader<'_>, file_bytes: usize, max_frames: usize) -> Result<Vec<u32>> {
    let Some(table) = tables.find(*b"stsz")? else {
        return Err(if tables.find(*b"stz2")?.is_some() {
            Error::unsupported("compact sample sizes")
        } else {
            tables.damaged("it has no 'stsz' box")
        });
    };
    let mut reader = Reader::new(table, "stsz");
    reader.version()?;
    let common = reader.u32()?;
    let count = if common == 0 { reader.count(4)? } else { reader.u32()? as usize };
    if count > max_frames {
        return Err(Error::Limit { what: "its number of frames", found: count as u64, limit: max_frames as u64 });
    }
    if count == 0 {
        return Err(reader.damaged("it lists no pictures"));
    }
    let sizes = (0..count).map(|_| if common == 0 { reader.u32() } else { Ok(common) }).collect::<Result<Vec<_>>>()?;
    // Pictures that share bytes would make a small file a lot of work.
    let total: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    if total > file_bytes as u64 {
        return Err(reader.damaged("its pictures are larger than the file"));
    }
    Ok(sizes)
}

/// Finds the bytes of each sample through chunk table and chunk offsets.
pub(super) fn locate<'a>(file: &'a [u8], tables: Reader<'a>, sizes: &[u32]) -> Result<Vec<&'a [u8]>> {
    let mut runs = Reader::new(require(tables, *b"stsc")?, "stsc");
    runs.version()?;
    let mut runs_left = runs.count(12)?;
    let mut next_run = || -> Result<Option<(usize, usize)>> {
        if runs_left == 0 {
            return Ok(None);
        }
        runs_left -= 1;
        let (first, samples) = (runs.u32()? as usize, runs.u32()? as usize);
        runs.skip(4)?; // description: there is only one
        Ok(Some((first, samples)))
    };
    let (mut offsets, wide) = match tables.find(*b"stco")? {
        Some(table) => (Reader::new(table, "stco"), false),
        None => (Reader::new(require(tables, *b"co64")?, "co64"), true),
    };
    offsets.version()?;
    let chunks = offsets.count(if wide { 8 } else { 4 })?;

    let mut samples = Vec::with_capacity(sizes.len());
    let (mut in_chunk, mut upcoming) = (0, next_run()?);
    for chunk in 1..=chunks {
        while let Some((first, count)) = upcoming {
            if first > chunk {
                break;
            }
            in_chunk = count;
            upcoming = next_run()?;
        }
        let mut at = if wide { offsets.u64()? } else { offsets.u32()?.into() };
        for size in sizes.iter().skip(samples.len()).take(in_chunk) {
            let end = at.checked_add(u64::from(*size));
            let range = end.and_then(|end| Some(usize::try_from(at).ok()?..usize::try_from(end).ok()?));
            let bytes = range.and_then(|range| file.get(range));
            samples.push(
                bytes.ok_or_else(|| offsets.damaged(&format!("picture {} lies outside the file", samples.len())))?,
            );
            at += u64::from(*size);
        }
    }
    if samples.len() < sizes.len() {
        return Err(offsets.damaged(&format!("only {} of {} pictures are in a chunk", samples.len(), sizes.len())));
    }
    Ok(samples)
}

/// When pictures are shown, in ticks of the track.
pub(super) struct Times {
    /// Sum of all durations.
    pub(super) duration: u64,
    /// Ascending.
    pub(super) display_order: Vec<i64>,
}

impl Times {
    pub(super) fn read(tables: Reader<'_>, count: usize) -> Result<Self> {
        let mut times = Vec::with_capacity(count);
        let mut duration = 0u64;
        let mut reader = Reader::new(require(tables, *b"stts")?, "stts");
        reader.version()?;
        for _ in 0..reader.count(8)? {
            let (run, delta) = (reader.u32()? as usize, reader.u32()?);
            for _ in 0..run.min(count - times.len()) {
                // At most 2^32 pictures of 2^32 ticks: 64 bits hold the sum, and `max_frames` keeps it far below.
                times.push(duration as i64);
                duration += u64::from(delta);
            }
        }
        if times.len() < count {
            return Err(reader.damaged("some pictures have no duration"));
        }
        if let Some(table) = tables.find(*b"ctts")? {
            let mut reader = Reader::new(table, "ctts");
            reader.version()?;
            let mut at = 0;
            for _ in 0..reader.count(8)? {
                let (run, offset) = (reader.u32()? as usize, reader.i32()?);
                let end = at + run.min(count - at);
                times[at..end].iter_mut().for_each(|time| *time += i64::from(offset));
                at = end;
            }
        }
        times.sort_unstable();
        Ok(Self { duration, display_order: times })
    }
}

/// The part of the track that an edit list shows: from and to, in ticks of the track.
pub(super) fn edit_window(mut reader: Reader<'_>, movie_timescale: u32, timescale: u32) -> Result<Option<(i64, i64)>> {
    let version = reader.version()?;
    let mut window = None;
    for _ in 0..reader.count(if version == 0 { 12 } else { 20 })? {
        let duration = reader.long_if(version)?;
        let start = if version == 0 { i64::from(reader.i32()?) } else { reader.u64()? as i64 };
        let rate = reader.u32()?;
        if start < 0 {
            continue; // an empty edit only delays the start
        }
        if window.is_some() || rate != 0x1_0000 {
            return Err(Error::unsupported("an edit list with several parts or another speed"));
        }
        let ticks = u128::from(duration) * u128::from(timescale) / u128::from(movie_timescale.max(1));
        // Rounded to the movie's clock, which may be coarser: up to one of its ticks more.
        let slack = u128::from(timescale / movie_timescale.max(1));
        let end = if duration == 0 {
            i64::MAX
        } else {
            start.saturating_add(i64::try_from(ticks + slack).unwrap_or(i64::MAX))
        };
        window = Some((start, end));
    }
    Ok(window)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn edits_trim_in_the_clock_of_the_track() {
        let list = |entries: &[(u32, i32, u32)]| {
            let mut bytes = vec![0, 0, 0, 0];
            bytes.extend((entries.len() as u32).to_be_bytes());
            for (duration, start, rate) in entries {
                bytes.extend(duration.to_be_bytes());
                bytes.extend(start.to_be_bytes());
                bytes.extend(rate.to_be_bytes());
            }
            edit_window(Reader::new(&bytes, "elst"), 1000, 12288)
        };
        assert_eq!(list(&[]).unwrap(), None);
        assert_eq!(list(&[(500, 1024, 0x1_0000)]).unwrap(), Some((1024, 1024 + 6144 + 12)));
        assert_eq!(list(&[(80, -1, 0x1_0000), (0, 7, 0x1_0000)]).unwrap(), Some((7, i64::MAX)));
        assert!(matches!(list(&[(5, 0, 0x1_0000), (5, 9, 0x1_0000)]), Err(Error::Unsupported { .. })));
        assert!(matches!(list(&[(5, 0, 0x2_0000)]), Err(Error::Unsupported { .. })));
    }
}
