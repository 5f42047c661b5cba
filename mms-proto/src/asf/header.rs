//! All that stands before the packets.

use std::collections::BTreeMap;
use std::time::Duration;

use super::object::{OBJECT_HEADER_LEN, Object};
use super::reader::Reader;
use super::stream::{extended_stream_properties, stream_bit_rates, stream_properties};
use super::{AsfError, Description, Guid, Rule, Stream};

/// Most bytes of a header, the 50 of the Data Object included. Headers have a few KiB, with pictures in their metadata
/// more.
pub const MAX_HEADER_LEN: usize = 1 << 20;

/// Most bytes of a packet. MMS can carry 65,527; writers of files go a little further.
pub const MAX_PACKET_SIZE: u32 = 1 << 16;

/// What the Data Object has before its packets, in bytes.
pub(crate) const DATA_OBJECT_HEADER_LEN: usize = 50;

/// The Header Object, and the beginning of the Data Object.
///
/// Objects that are not known are left out.
///
/// Spec: ASF 3
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// What holds for the whole file.
    pub properties: FileProperties,
    /// The streams by their number, 1 to 127. If two objects describe one stream, the first counts.
    pub streams: BTreeMap<u8, Stream>,
    /// What people wrote about it. `None` as well if it does not fit into its object.
    pub description: Option<Description>,
    /// What the Data Object says.
    pub data: DataObject,
    /// Where the first packet begins, in bytes from the beginning of the file: the length of the header.
    pub data_offset: u64,
    /// Where the File Properties Object begins.
    pub(super) properties_at: usize,
    /// Where each stream's average bit rate stands.
    pub(super) bit_rates_at: BTreeMap<u8, usize>,
}

/// The File Properties Object.
///
/// ```text
/// | file id GUID | file size u64 | creation date u64 | packets u64 |
/// | play duration u64 | send duration u64 | preroll u64, ms |
/// | flags u32: broadcast in bit 0, seekable in bit 1 | min packet size u32 | max packet size u32 | max bit rate u32 |
/// ```
///
/// Spec: ASF 3.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileProperties {
    /// Names this file. The Data Object and the indexes repeat it.
    pub file_id: Guid,
    /// Length of the whole file with its indexes, in bytes. Means nothing in a broadcast.
    pub file_size: u64,
    /// How many packets there are. Means nothing in a broadcast.
    pub packets: u64,
    /// From the first to the last moment of the presentation, and [`preroll`](Self::preroll) more. Means nothing in a
    /// broadcast.
    pub play_duration: Duration,
    /// How long it takes to send it at its own pace. Means nothing in a broadcast.
    pub send_duration: Duration,
    /// How much a player buffers before it begins. All times of presentation are later by this much.
    pub preroll: Duration,
    /// It was written while it was made, so that sizes, counts and durations were not yet known.
    pub broadcast: bool,
    /// A player can begin anywhere.
    pub seekable: bool,
    /// Length of the shortest packet, in bytes.
    pub min_packet_size: u32,
    /// Length of the longest packet, in bytes.
    pub max_packet_size: u32,
    /// All streams together, in bits per second.
    pub max_bit_rate: u32,
}

/// The Data Object, as it begins.
///
/// ```text
/// | file id GUID | packets u64 | 01 01 | packets |
/// ```
///
/// Spec: ASF 5.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataObject {
    /// Should be that of [`FileProperties::file_id`].
    pub file_id: Guid,
    /// Length of the object with its packets, in bytes. May be 0 or anything in a broadcast.
    pub size: u64,
    /// How many packets there are.
    pub packets: u64,
}

impl Header {
    /// Length in bytes of the header that begins so, the first 50 bytes of the Data Object included. Needs 24 bytes.
    ///
    /// # Errors
    ///
    /// It is no Header Object, or too long.
    pub fn measure(bytes: &[u8]) -> Result<usize, AsfError> {
        let mut reader = Reader::new("header", bytes);
        let start = reader;
        if reader.guid()? != Guid::HEADER {
            return Err(start.error(Rule::NotAHeader));
        }
        let at_size = reader;
        let len = usize::try_from(reader.u64()?).ok().and_then(|size| size.checked_add(DATA_OBJECT_HEADER_LEN));
        let len = len.filter(|len| *len <= MAX_HEADER_LEN).ok_or_else(|| at_size.error(Rule::HeaderTooLong))?;
        // 30: the fixed fields of the Header Object.
        let least = DATA_OBJECT_HEADER_LEN.saturating_add(30);
        if len < least { Err(at_size.error(Rule::ObjectTooSmall)) } else { Ok(len) }
    }

    /// Decodes a header: what an MMS server sends for one, or the beginning of a file. What follows the first 50 bytes
    /// of the Data Object is not looked at.
    ///
    /// # Errors
    ///
    /// It is no header, too long, cut off, or one of its objects lies about its size; it has no File Properties or more
    /// than one; a stream is described that has the number 0; no Data Object follows.
    ///
    /// Spec: ASF 3.1
    pub fn decode(bytes: &[u8]) -> Result<Self, AsfError> {
        let len = Self::measure(bytes)?;
        let mut reader = Reader::new("header", bytes);
        let mut objects = reader.part(len.saturating_sub(DATA_OBJECT_HEADER_LEN))?;
        // GUID and size, a count that nothing depends on, and two bytes.
        objects.take(OBJECT_HEADER_LEN.saturating_add(6))?;

        let mut found = Found::default();
        found.objects(&mut objects)?;
        let data = DataObject::read(&mut reader)?;
        let (properties, properties_at) = found.properties.ok_or_else(|| objects.error(Rule::NoFileProperties))?;
        let mut streams = found.streams;
        for (number, stream) in &mut streams {
            let average = found.average.get(number).map(|(rate, _)| *rate);
            stream.bit_rate = average.or_else(|| found.extended.get(number).copied());
        }
        Ok(Self {
            properties,
            streams,
            description: found.description,
            data,
            data_offset: u64::try_from(len).unwrap_or(u64::MAX),
            properties_at,
            bit_rates_at: found.average.into_iter().map(|(number, (_, offset))| (number, offset)).collect(),
        })
    }

    /// Length of every packet, in bytes.
    ///
    /// # Errors
    ///
    /// Packets differ in length, or it is 0 or more than [`MAX_PACKET_SIZE`]. Then packets cannot be found by their
    /// number.
    ///
    /// Spec: ASF 3.2
    pub fn packet_size(&self) -> Result<u32, AsfError> {
        let FileProperties { min_packet_size: min, max_packet_size: max, .. } = self.properties;
        let rule = if min != max {
            Rule::PacketSizeVaries { min, max }
        } else if max == 0 || max > MAX_PACKET_SIZE {
            Rule::PacketSizeOutOfRange(max)
        } else {
            return Ok(max);
        };
        Err(AsfError::new("header", self.properties_at.saturating_add(92), rule))
    }

    /// How many packets there are: `None` in a broadcast, or if the header says 0.
    pub fn packets(&self) -> Option<u64> {
        Some(self.properties.packets).filter(|packets| *packets > 0 && !self.properties.broadcast)
    }

    /// Whether File Properties and Data Object state the same number of packets.
    pub fn packet_counts_agree(&self) -> bool {
        self.properties.packets == self.data.packets
    }

    /// Where packet `number`, counted from 0, begins: in bytes from the beginning of the file. `None` if there is no
    /// one packet size, or no such offset.
    pub fn packet_offset(&self, number: u64) -> Option<u64> {
        number.checked_mul(u64::from(self.packet_size().ok()?))?.checked_add(self.data_offset)
    }

    /// Length of the header and all packets, in bytes: what a server of MMS can deliver. Indexes of the original come
    /// on top of it, and they are counted in [`FileProperties::file_size`].
    ///
    /// Observed: no server sends the indexes; zefie's sends their bytes as one packet too many
    pub fn file_len(&self) -> Option<u64> {
        self.packet_offset(self.packets()?)
    }

    /// How long it plays: `None` in a broadcast, or if the header says nothing.
    pub fn duration(&self) -> Option<Duration> {
        let FileProperties { play_duration, preroll, broadcast, .. } = self.properties;
        Some(play_duration.saturating_sub(preroll)).filter(|duration| !broadcast && !duration.is_zero())
    }
}

impl FileProperties {
    fn read(mut body: Reader<'_>) -> Result<Self, AsfError> {
        let file_id = body.guid()?;
        let file_size = body.u64()?;
        let _created = body.u64()?;
        let packets = body.u64()?;
        let (play_duration, send_duration) = (ticks(body.u64()?), ticks(body.u64()?));
        let preroll = Duration::from_millis(body.u64()?);
        let flags = body.u32()?;
        Ok(Self {
            file_id,
            file_size,
            packets,
            play_duration,
            send_duration,
            preroll,
            broadcast: flags & 1 != 0,
            seekable: flags & 2 != 0,
            min_packet_size: body.u32()?,
            max_packet_size: body.u32()?,
            max_bit_rate: body.u32()?,
        })
    }
}

impl DataObject {
    fn read(reader: &mut Reader<'_>) -> Result<Self, AsfError> {
        let start = *reader;
        if reader.guid()? != Guid::DATA {
            return Err(start.error(Rule::NoDataObject));
        }
        // The size is not held against anything: it counts the packets, and is often wrong.
        let size = reader.u64()?;
        let (file_id, packets) = (reader.guid()?, reader.u64()?);
        reader.take(2)?;
        Ok(Self { file_id, size, packets })
    }
}

/// What the objects of a header have told so far.
#[derive(Default)]
struct Found {
    properties: Option<(FileProperties, usize)>,
    streams: BTreeMap<u8, Stream>,
    description: Option<Description>,
    /// Of a stream: average bit rate, and where that stands.
    average: BTreeMap<u8, (u32, usize)>,
    /// Of a stream: bit rate.
    extended: BTreeMap<u8, u32>,
}

impl Found {
    /// Reads objects to the end of what they are in.
    fn objects(&mut self, parent: &mut Reader<'_>) -> Result<(), AsfError> {
        while !parent.is_empty() {
            let object = Object::read(parent)?;
            match object.id {
                Guid::HEADER_EXTENSION => self.extension(object.body)?,
                _ => self.object(object)?,
            }
        }
        Ok(())
    }

    /// The objects of a Header Extension. One within another is not looked into, so nothing recurses.
    ///
    /// ```text
    /// | reserved GUID | reserved u16 | len u32 | objects |
    /// ```
    fn extension(&mut self, mut body: Reader<'_>) -> Result<(), AsfError> {
        body.take(18)?;
        let len = body.u32()?;
        let mut parent = body.part(usize::try_from(len).unwrap_or(usize::MAX))?;
        while !parent.is_empty() {
            let object = Object::read(&mut parent)?;
            self.object(object)?;
        }
        Ok(())
    }

    fn object(&mut self, object: Object<'_>) -> Result<(), AsfError> {
        match object.id {
            Guid::FILE_PROPERTIES if self.properties.is_some() => {
                return Err(object.body.error(Rule::SecondFileProperties));
            }
            Guid::FILE_PROPERTIES => self.properties = Some((FileProperties::read(object.body)?, object.offset)),
            Guid::STREAM_PROPERTIES => {
                let (number, stream) = stream_properties(object.body)?;
                self.streams.entry(number).or_insert(stream);
            }
            Guid::EXTENDED_STREAM_PROPERTIES => {
                let (number, bit_rate, embedded) = extended_stream_properties(object.body)?;
                self.extended.entry(number).or_insert(bit_rate);
                if let Some(embedded) = embedded.filter(|object| object.id == Guid::STREAM_PROPERTIES) {
                    let (number, stream) = stream_properties(embedded.body)?;
                    self.streams.entry(number).or_insert(stream);
                }
            }
            Guid::STREAM_BITRATE_PROPERTIES => {
                for (number, rate, offset) in stream_bit_rates(object.body)? {
                    self.average.entry(number).or_insert((rate, offset));
                }
            }
            // Words of people are no reason to refuse a file.
            Guid::CONTENT_DESCRIPTION => self.description = Description::read(object.body).ok(),
            _ => {}
        }
        Ok(())
    }
}

/// Units of 100 ns.
fn ticks(count: u64) -> Duration {
    let nanoseconds = (count % 10_000_000).saturating_mul(100);
    Duration::from_secs(count / 10_000_000).saturating_add(Duration::from_nanos(nanoseconds))
}
