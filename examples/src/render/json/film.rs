//! The `media` event: what `probe --json` says of a film on a media server.

use segfetch_cli::mms::{Facts, StreamFacts};
use serde::Serialize;

use super::millis;

/// A text that is empty is one that nobody wrote: `null`.
fn written(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A film, or a live stream.
#[derive(Serialize)]
pub(super) struct Film<'a> {
    transport: &'a str,
    server: Option<&'a str>,
    live: bool,
    seekable: bool,
    packets: Option<u64>,
    packet_size: u32,
    duration_ms: Option<u64>,
    bit_rate: Option<u32>,
    streams: Vec<Stream<'a>>,
    title: Option<&'a str>,
    author: Option<&'a str>,
    copyright: Option<&'a str>,
    description: Option<&'a str>,
    rating: Option<&'a str>,
}

#[derive(Serialize)]
struct Stream<'a> {
    number: u8,
    kind: &'a str,
    codec: Option<&'a str>,
    shape: Option<&'a str>,
    bit_rate: Option<u32>,
    encrypted: bool,
}

impl<'a> Film<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        let texts = &facts.description;
        Self {
            transport: &facts.transport,
            server: facts.server.as_deref(),
            live: facts.live,
            seekable: facts.seekable,
            packets: facts.packets,
            packet_size: facts.packet_size,
            duration_ms: facts.duration.map(millis),
            bit_rate: facts.bit_rate,
            streams: facts.streams.iter().map(Stream::new).collect(),
            title: written(&texts.title),
            author: written(&texts.author),
            copyright: written(&texts.copyright),
            description: written(&texts.description),
            rating: written(&texts.rating),
        }
    }
}

impl<'a> Stream<'a> {
    fn new(stream: &'a StreamFacts) -> Self {
        Self {
            number: stream.number,
            kind: stream.kind,
            codec: stream.codec.as_deref(),
            shape: stream.shape.as_deref(),
            bit_rate: stream.bit_rate,
            encrypted: stream.encrypted,
        }
    }
}
