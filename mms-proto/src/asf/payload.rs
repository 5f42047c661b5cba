//! The pieces of media in a packet.

use std::iter::FusedIterator;
use std::time::Duration;

use super::reader::Reader;
use super::{AsfError, LengthType, Rule};

/// A piece of a media object, that is of a picture or a block of sound.
///
/// Spec: ASF 5.2.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload<'a> {
    /// Number of the stream; 0 belongs to none.
    pub stream: u8,
    /// The object can be decoded without those before it.
    pub key_frame: bool,
    /// Number of the object in its stream; counts up, and over.
    pub object_number: u32,
    /// Where in the object this piece belongs, in bytes.
    pub object_offset: u32,
    /// Length of the whole object, in bytes, if the packet tells.
    pub object_size: Option<u32>,
    /// When to show it, with the preroll of the file on top, if the packet tells.
    pub presentation_time: Option<Duration>,
    /// What is said of the object beyond size and time.
    pub extension: &'a [u8],
    /// The piece itself.
    pub data: &'a [u8],
}

/// Goes through the payloads of a packet. The first error is the last item.
///
/// Compressed payloads, which are small objects that share one head, come out as one payload each.
///
/// Spec: ASF 5.2.3
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payloads<'a> {
    left: Reader<'a>,
    property_flags: u8,
    /// Of several payloads: how many are left, and how wide their lengths are.
    several: Option<(u8, LengthType)>,
    compressed: Option<Compressed<'a>>,
    /// Where the time of the last head is, and how wide.
    time_at: Option<(usize, LengthType)>,
}

/// Objects that share a head: `{ len u8, data }` up to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Compressed<'a> {
    left: Reader<'a>,
    stream: u8,
    key_frame: bool,
    object_number: u32,
    presentation_time: u32,
    delta: u8,
}

impl<'a> Payloads<'a> {
    /// `area` is what lies between the head and the padding.
    pub(super) fn new(mut area: Reader<'a>, property_flags: u8, several: bool) -> Result<Self, AsfError> {
        let several = if several {
            let here = area;
            let flags = area.u8()?;
            let (count, width) = (flags & 0x3F, LengthType::of(flags, 6));
            if count == 0 {
                return Err(here.error(Rule::NoPayload));
            }
            if width == LengthType::Absent {
                return Err(here.error(Rule::NoPayloadLength));
            }
            Some((count, width))
        } else {
            None
        };
        Ok(Self { left: area, property_flags, several, compressed: None, time_at: None })
    }

    /// Where in the packet a time stands that belongs to the last payload, once.
    pub(super) fn take_time_at(&mut self) -> Option<(usize, LengthType)> {
        self.time_at.take()
    }

    /// Whether another payload begins; if so it is counted as taken.
    fn begin(&mut self) -> bool {
        match &mut self.several {
            Some((count, _)) => {
                let more = *count > 0;
                *count = count.saturating_sub(1);
                more
            }
            None => !self.left.is_empty(),
        }
    }

    /// ```text
    /// | stream number u8, key frame in bit 7 | object number | offset | replicated len |
    /// | replicated data | len if several | data |
    /// ```
    fn payload(&mut self) -> Result<Option<Payload<'a>>, AsfError> {
        let reader = &mut self.left;
        let number = reader.u8()?;
        let (stream, key_frame) = (number & 0x7F, number & 0x80 != 0);
        let object_number = reader.number(LengthType::of(self.property_flags, 4))?;
        let (at_offset, offset_type) = (reader.offset(), LengthType::of(self.property_flags, 2));
        let object_offset = reader.number(offset_type)?;
        let at_replicated = *reader;
        let replicated_len = reader.number(LengthType::of(self.property_flags, 0))?;
        let mut replicated = reader.part(usize::try_from(replicated_len).unwrap_or(usize::MAX))?;
        let len = match self.several {
            Some((_, width)) => usize::try_from(reader.number(width)?).unwrap_or(usize::MAX),
            None => reader.left().len(),
        };
        let data = reader.part(len)?;
        let (object_size, presentation_time) = match replicated_len {
            0 => (None, None),
            1 => {
                let delta = replicated.u8()?;
                // Their offset has no use, so it is a time.
                let presentation_time = object_offset;
                self.time_at = Some((at_offset, offset_type));
                self.compressed =
                    Some(Compressed { left: data, stream, key_frame, object_number, presentation_time, delta });
                return Ok(None);
            }
            2..=7 => return Err(at_replicated.error(Rule::ReplicatedLength)),
            _ => {
                let size = replicated.u32()?;
                self.time_at = Some((replicated.offset(), LengthType::Dword));
                (Some(size), Some(replicated.u32()?))
            }
        };
        let end = u64::try_from(data.left().len()).ok().and_then(|len| len.checked_add(u64::from(object_offset)));
        if object_size.is_some_and(|size| end.is_none_or(|end| end > u64::from(size))) {
            return Err(data.error(Rule::BeyondObject));
        }
        Ok(Some(Payload {
            stream,
            key_frame,
            object_number,
            object_offset,
            object_size,
            presentation_time: presentation_time.map(milliseconds),
            extension: replicated.left(),
            data: data.left(),
        }))
    }

    fn advance(&mut self) -> Result<Option<Payload<'a>>, AsfError> {
        loop {
            if let Some(compressed) = &mut self.compressed {
                if let Some(payload) = compressed.payload()? {
                    return Ok(Some(payload));
                }
                self.compressed = None;
            }
            if !self.begin() {
                return Ok(None);
            }
            if let Some(payload) = self.payload()? {
                return Ok(Some(payload));
            }
        }
    }

    /// Nothing follows an error.
    fn finish(&mut self) {
        self.several = Some((0, LengthType::Absent));
        self.compressed = None;
    }
}

impl<'a> Compressed<'a> {
    fn payload(&mut self) -> Result<Option<Payload<'a>>, AsfError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let len = self.left.u8()?;
        let data = self.left.take(usize::from(len))?;
        let payload = Payload {
            stream: self.stream,
            key_frame: self.key_frame,
            object_number: self.object_number,
            object_offset: 0,
            object_size: Some(u32::from(len)),
            presentation_time: Some(milliseconds(self.presentation_time)),
            extension: &[],
            data,
        };
        self.object_number = self.object_number.wrapping_add(1);
        self.presentation_time = self.presentation_time.wrapping_add(u32::from(self.delta));
        Ok(Some(payload))
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Payload<'a>, AsfError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.finish();
        }
        next.transpose()
    }
}

impl FusedIterator for Payloads<'_> {}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(u64::from(count))
}
