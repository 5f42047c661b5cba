//! What a media server says of a film.

use std::time::Duration;

use mms_proto::asf::{AudioFormat, Description, Stream, StreamKind};
use mms_proto::client::Presentation;
use mms_proto::conn::Thinning;

/// A film or live stream, as its server and its header describe it. Texts are hostile.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Facts {
    /// How it is carried: `MMST`, `MMSH` or `MMSU`.
    pub transport: String,
    /// Name and version that the server gives itself.
    pub server: Option<String>,
    /// It is made while it is sent.
    pub live: bool,
    /// Streams can begin at any packet.
    pub seekable: bool,
    /// How many packets there are; `None` for a live stream.
    pub packets: Option<u64>,
    /// Length of each packet, in bytes.
    pub packet_size: u32,
    /// How long it plays.
    pub duration: Option<Duration>,
    /// All streams together, in bits per second.
    pub bit_rate: Option<u32>,
    /// In the order of their numbers.
    pub streams: Vec<StreamFacts>,
    /// What people wrote about it.
    pub description: Description,
}

/// One stream of a film.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StreamFacts {
    /// Its number, 1 to 127: what `--streams` wants.
    pub number: u8,
    /// `audio`, `video`, `command`, `picture`, `file` or `other`.
    pub kind: &'static str,
    /// The name of its coding, if the header says.
    pub codec: Option<String>,
    /// `44100 Hz, 2 channels` or `320x240`.
    pub shape: Option<String>,
    /// Bits per second.
    pub bit_rate: Option<u32>,
    /// Its payloads are encrypted.
    pub encrypted: bool,
    /// It is fetched.
    pub wanted: bool,
}

impl Facts {
    pub(super) fn of(film: &Presentation) -> Self {
        let wanted = |number: u8| {
            let choice = film.streams.iter().find(|choice| choice.stream == number);
            choice.is_none_or(|choice| choice.thinning != Thinning::Off)
        };
        let streams = film.header.streams.iter();
        let stated = Some(film.header.properties.max_bit_rate).filter(|rate| *rate > 0);
        Self {
            transport: film.transport.to_string(),
            server: film.facts.server.clone(),
            live: film.is_live(),
            seekable: film.is_seekable(),
            packets: film.packets(),
            packet_size: film.packet_size,
            duration: film.duration(),
            bit_rate: film.facts.bit_rate.filter(|rate| *rate > 0).or(stated),
            streams: streams.map(|(&number, stream)| StreamFacts::of(number, stream, wanted(number))).collect(),
            description: film.header.description.clone().unwrap_or_default(),
        }
    }
}

impl StreamFacts {
    fn of(number: u8, stream: &Stream, wanted: bool) -> Self {
        let (kind, codec, shape) = match stream.kind {
            StreamKind::Audio(format) => ("audio", format.map(sound), format.map(channels)),
            StreamKind::Video(format) => (
                "video",
                format.map(|video| video.codec().trim_end_matches(['\0', ' ']).to_owned()),
                format.map(|video| format!("{}x{}", video.width, video.height)),
            ),
            StreamKind::Command => ("command", None, None),
            StreamKind::Jfif | StreamKind::DegradableJpeg => ("picture", Some("JPEG".to_owned()), None),
            StreamKind::FileTransfer => ("file", None, None),
            _ => ("other", None, None),
        };
        Self { number, kind, codec, shape, bit_rate: stream.bit_rate, encrypted: stream.encrypted, wanted }
    }
}

/// The codings that Windows Media wrote, and what others put into the same files; the number of any other.
fn sound(format: AudioFormat) -> String {
    let name = match format.format_tag {
        0x0001 => "PCM",
        0x000A => "Windows Media Voice",
        0x0050 => "MPEG audio",
        0x0055 => "MP3",
        0x00FF => "AAC",
        0x0160 => "Windows Media Audio 1",
        0x0161 => "Windows Media Audio 2",
        0x0162 => "Windows Media Audio Professional",
        0x0163 => "Windows Media Audio Lossless",
        other => return format!("0x{other:04X}"),
    };
    name.to_owned()
}

fn channels(format: AudioFormat) -> String {
    let plural = if format.channels == 1 { "" } else { "s" };
    format!("{} Hz, {} channel{plural}", format.sample_rate, format.channels)
}
