//! The streams of a file, and what they carry.

use std::borrow::Cow;

use super::object::Object;
use super::reader::Reader;
use super::{AsfError, Guid, Rule};

/// One stream, as the header tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream {
    /// What it carries.
    pub kind: StreamKind,
    /// Its payloads are encrypted.
    pub encrypted: bool,
    /// Bits per second, from the Stream Bitrate Properties, or else the Extended Stream Properties.
    pub bit_rate: Option<u32>,
}

/// What a stream carries, and in which coding if its properties tell.
///
/// Spec: ASF 9, and 10.4 for the names
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamKind {
    /// Sound.
    Audio(Option<AudioFormat>),
    /// Moving pictures.
    Video(Option<VideoFormat>),
    /// Commands to the player.
    Command,
    /// Still pictures, whole.
    Jfif,
    /// Still pictures that may have lost parts.
    DegradableJpeg,
    /// Files.
    FileTransfer,
    /// Something else that has a GUID of its own.
    Binary,
    /// A kind that this module does not know.
    Other(Guid),
}

/// How sound is coded: a `WAVEFORMATEX`.
///
/// Spec: ASF 9.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioFormat {
    /// The coding, by its registered number: 0x0161 is Windows Media Audio 2.
    pub format_tag: u16,
    /// How many channels.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate: u32,
    /// Bytes per second, on average.
    pub bytes_per_second: u32,
    /// Coded sound comes in blocks of this many bytes.
    pub block_align: u16,
    /// Bits of one sample.
    pub bits_per_sample: u16,
}

/// How pictures are coded: the sizes, and a `BITMAPINFOHEADER`.
///
/// Spec: ASF 9.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoFormat {
    /// The coding, by its four characters: `WMV2`.
    pub fourcc: [u8; 4],
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl VideoFormat {
    /// The four characters, for people.
    pub fn codec(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.fourcc)
    }
}

/// What a Stream Properties Object says.
///
/// ```text
/// | type GUID | error correction GUID | time offset u64 | type data len u32 | error correction len u32 |
/// | flags u16: stream number in bits 0-6, encrypted in bit 15 | reserved u32 | type data | error correction data |
/// ```
///
/// Spec: ASF 3.3
pub(super) fn stream_properties(mut body: Reader<'_>) -> Result<(u8, Stream), AsfError> {
    let id = body.guid()?;
    let _error_correction = body.guid()?;
    let _time_offset = body.u64()?;
    let type_data_len = body.u32()?;
    let _error_correction_len = body.u32()?;
    let (number, encrypted) = flags(&mut body)?;
    let _reserved = body.u32()?;
    let type_data = body.part(usize::try_from(type_data_len).unwrap_or(usize::MAX))?;
    Ok((number, Stream { kind: kind(id, type_data), encrypted, bit_rate: None }))
}

/// Number, rate, and the Stream Properties Object within, if there is one.
///
/// ```text
/// | start u64 | end u64 | bit rate u32 | 7 x u32 of buffers and flags |
/// | stream number u16 | language u16 | time per frame u64 |
/// | names u16 | extensions u16 | names: { language u16, len u16, bytes } |
/// | extensions: { GUID, size u16, len u32, bytes } | object |
/// ```
///
/// Spec: ASF 4.1
pub(super) fn extended_stream_properties<'a>(mut body: Reader<'a>) -> Result<(u8, u32, Option<Object<'a>>), AsfError> {
    body.take(16)?;
    let bit_rate = body.u32()?;
    body.take(28)?;
    let (number, _) = flags(&mut body)?;
    body.take(10)?;
    let (names, extensions) = (body.u16()?, body.u16()?);
    // Both loops end with the bytes of the object: each turn takes some.
    for _ in 0..names {
        body.take(2)?;
        let len = body.u16()?;
        body.take(usize::from(len))?;
    }
    for _ in 0..extensions {
        body.take(18)?;
        let len = body.u32()?;
        body.take(usize::try_from(len).unwrap_or(usize::MAX))?;
    }
    let embedded = if body.is_empty() { None } else { Some(Object::read(&mut body)?) };
    Ok((number, bit_rate, embedded))
}

/// Of each stream: its number, its average rate, and where in the header that rate stands.
///
/// ```text
/// | count u16 | { flags u16: stream number in bits 0-6, average bit rate u32 } |
/// ```
///
/// Spec: ASF 3.12
pub(super) fn stream_bit_rates(mut body: Reader<'_>) -> Result<Vec<(u8, u32, usize)>, AsfError> {
    let count = body.u16()?;
    let mut rates = Vec::new();
    for _ in 0..count {
        let (number, _) = flags(&mut body)?;
        let offset = body.offset();
        rates.push((number, body.u32()?, offset));
    }
    Ok(rates)
}

/// Stream number 1 to 127, and whether it is encrypted.
fn flags(body: &mut Reader<'_>) -> Result<(u8, bool), AsfError> {
    let here = *body;
    let [low, high] = body.u16()?.to_le_bytes();
    let number = low & 0x7F;
    if number == 0 { Err(here.error(Rule::StreamZero)) } else { Ok((number, high & 0x80 != 0)) }
}

fn kind(id: Guid, type_data: Reader<'_>) -> StreamKind {
    match id {
        // Too little type data is no reason to refuse the file: the packets are as they are.
        Guid::AUDIO_MEDIA => StreamKind::Audio(audio_format(type_data).ok()),
        Guid::VIDEO_MEDIA => StreamKind::Video(video_format(type_data).ok()),
        Guid::COMMAND_MEDIA => StreamKind::Command,
        Guid::JFIF_MEDIA => StreamKind::Jfif,
        Guid::DEGRADABLE_JPEG_MEDIA => StreamKind::DegradableJpeg,
        Guid::FILE_TRANSFER_MEDIA => StreamKind::FileTransfer,
        Guid::BINARY_MEDIA => StreamKind::Binary,
        other => StreamKind::Other(other),
    }
}

fn audio_format(mut data: Reader<'_>) -> Result<AudioFormat, AsfError> {
    Ok(AudioFormat {
        format_tag: data.u16()?,
        channels: data.u16()?,
        sample_rate: data.u32()?,
        bytes_per_second: data.u32()?,
        block_align: data.u16()?,
        bits_per_sample: data.u16()?,
    })
}

/// ```text
/// | width u32 | height u32 | reserved u8 | len u16 |
/// | len u32, width i32, height i32, planes u16, bits u16, compression u32, .. |
/// ```
fn video_format(mut data: Reader<'_>) -> Result<VideoFormat, AsfError> {
    let (width, height) = (data.u32()?, data.u32()?);
    data.take(3 + 16)?;
    Ok(VideoFormat { fourcc: data.u32()?.to_le_bytes(), width, height })
}
