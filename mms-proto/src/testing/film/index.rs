//! The Simple Index of each video stream.

use super::build::FilmBuilder;
use super::header::{Object, file_id, guid};
use super::muxer::{Muxed, PREROLL_MS};

const SIMPLE_INDEX: [u8; 16] = guid(0x33000890, 0xE5B1, 0x11CF, 0x89F400A0C90349CB);
const INTERVAL_MS: u64 = 1000;

/// One entry for each second of presentation time, in which the preroll is counted as in payloads: where the key frame begins that was
/// begun last.
pub(super) fn simple(film: &FilmBuilder, muxed: &Muxed) -> Vec<Vec<u8>> {
    let videos = film.streams.iter().filter(|stream| stream.is_video());
    let of_stream = |number: u8| {
        let keys: Vec<_> = muxed.frames.iter().filter(|frame| frame.stream == number && frame.key).collect();
        let entries = (muxed.duration_ms + PREROLL_MS) / INTERVAL_MS + 1;
        let most = keys.iter().map(|frame| frame.count).max().unwrap_or(0);
        let mut object = Object::new(SIMPLE_INDEX);
        object.put(&file_id(film.seed)).u64(INTERVAL_MS * 10_000).u32(u32::from(most)).u32(entries as u32);
        for second in 0..entries {
            let found = keys.iter().rev().find(|frame| frame.ms + PREROLL_MS <= second * INTERVAL_MS).or(keys.first());
            object.u32(found.map_or(0, |frame| frame.packet)).u16(found.map_or(0, |frame| frame.count));
        }
        object.finish()
    };
    videos.map(|stream| of_stream(stream.number())).collect()
}
