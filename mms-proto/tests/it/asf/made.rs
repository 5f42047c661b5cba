//! Headers and packets made by hand, field by field.

use mms_proto::asf::Guid;

pub(super) const FILE_ID: Guid = Guid(*b"this file's name");

/// An object that says the truth about its size.
pub(super) fn object(id: Guid, body: &[u8]) -> Vec<u8> {
    object_of_size(id, body.len() as u64 + 24, body)
}

pub(super) fn object_of_size(id: Guid, size: u64, body: &[u8]) -> Vec<u8> {
    [&id.0[..], &size.to_le_bytes(), body].concat()
}

/// The fields of a File Properties Object that tests change.
#[derive(Clone, Copy)]
pub(super) struct Properties {
    pub(super) file_size: u64,
    pub(super) packets: u64,
    pub(super) play: u64,
    pub(super) send: u64,
    pub(super) preroll: u64,
    pub(super) flags: u32,
    pub(super) min: u32,
    pub(super) max: u32,
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            file_size: 9999,
            packets: 3,
            play: 70_000_000,
            send: 40_000_000,
            preroll: 3000,
            flags: 2,
            min: 100,
            max: 100,
        }
    }
}

pub(super) fn file_properties(it: &Properties) -> Vec<u8> {
    let mut body = FILE_ID.0.to_vec();
    for number in [it.file_size, 0x0123_4567, it.packets, it.play, it.send, it.preroll] {
        body.extend(number.to_le_bytes());
    }
    for number in [it.flags, it.min, it.max, 64_000] {
        body.extend(number.to_le_bytes());
    }
    object(Guid::FILE_PROPERTIES, &body)
}

pub(super) fn stream(flags: u16, id: Guid, type_data: &[u8]) -> Vec<u8> {
    let mut body = [&id.0[..], &[0; 16], &7_u64.to_le_bytes()].concat();
    body.extend((type_data.len() as u32).to_le_bytes());
    body.extend(3_u32.to_le_bytes());
    body.extend(flags.to_le_bytes());
    body.extend([0; 4]);
    body.extend(type_data);
    body.extend([1, 2, 3]);
    object(Guid::STREAM_PROPERTIES, &body)
}

/// With a name, an extension of payloads, and an object within.
pub(super) fn extended_stream(number: u16, bit_rate: u32, embedded: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend(bit_rate.to_le_bytes());
    body.extend([0; 28]);
    body.extend(number.to_le_bytes());
    body.extend([0; 10]);
    body.extend([1, 0, 1, 0]);
    body.extend([0, 0, 4, 0, b'a', 0, b'b', 0]);
    body.extend([0xEE; 16]);
    body.extend([8, 0, 2, 0, 0, 0, 1, 2]);
    body.extend(embedded);
    object(Guid::EXTENDED_STREAM_PROPERTIES, &body)
}

pub(super) fn extension(objects: &[Vec<u8>]) -> Vec<u8> {
    let objects = objects.concat();
    let len = (objects.len() as u32).to_le_bytes();
    object(Guid::HEADER_EXTENSION, &[&[0x11; 16][..], &[6, 0], &len, &objects].concat())
}

pub(super) fn bit_rates(rates: &[(u16, u32)]) -> Vec<u8> {
    let mut body = (rates.len() as u16).to_le_bytes().to_vec();
    for (number, rate) in rates {
        body.extend(number.to_le_bytes());
        body.extend(rate.to_le_bytes());
    }
    object(Guid::STREAM_BITRATE_PROPERTIES, &body)
}

/// A whole header of these objects.
pub(super) fn header(objects: &[Vec<u8>]) -> Vec<u8> {
    let count = (objects.len() as u32).to_le_bytes();
    let objects = [&count[..], &[1, 2], &objects.concat()].concat();
    [object(Guid::HEADER, &objects), data_object(3)].concat()
}

/// The first 50 bytes of the Data Object.
pub(super) fn data_object(packets: u64) -> Vec<u8> {
    object_of_size(Guid::DATA, 50 + packets * 100, &[&FILE_ID.0[..], &packets.to_le_bytes(), &[1, 1]].concat())
}

/// A packet, described. Types are 0 to 3: absent, 1, 2 or 4 bytes.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) error_correction: Option<Vec<u8>>,
    pub(super) several: bool,
    pub(super) length_type: u8,
    pub(super) sequence_type: u8,
    pub(super) padding_type: u8,
    pub(super) property_flags: u8,
    pub(super) send_time: u32,
    pub(super) duration: u16,
    pub(super) payloads: Vec<u8>,
    /// In bytes, all zeros.
    pub(super) padding: usize,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            error_correction: Some(vec![0, 0]),
            several: false,
            length_type: 0,
            sequence_type: 0,
            padding_type: 1,
            property_flags: 0x5D,
            send_time: 1234,
            duration: 56,
            payloads: Vec::new(),
            padding: 0,
        }
    }
}

pub(super) fn width(kind: u8) -> usize {
    [0, 1, 2, 4][usize::from(kind)]
}

/// The most that fits into a number of this type.
pub(super) fn most(kind: u8) -> usize {
    [0, 0xFF, 0xFFFF, 0xFFFF_FFFF][usize::from(kind)]
}

fn number(kind: u8, value: usize) -> Vec<u8> {
    assert!(value <= most(kind) || kind == 0, "{value} does not fit");
    value.to_le_bytes()[..width(kind)].to_vec()
}

impl Made {
    pub(super) fn flags_at(&self) -> usize {
        self.error_correction.as_ref().map_or(0, |data| data.len() + 1)
    }

    pub(super) fn padding_at(&self) -> usize {
        self.flags_at() + 2 + width(self.length_type) + width(self.sequence_type)
    }

    pub(super) fn len(&self) -> usize {
        self.padding_at() + width(self.padding_type) + 6 + self.payloads.len() + self.padding
    }

    /// As it stands in a file whose packet size is its length.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.bytes(self.padding_type, self.padding, self.padding)
    }

    /// As a server sends it that sets the field to 0.
    pub(super) fn zeroed(&self) -> Vec<u8> {
        self.bytes(self.padding_type, 0, 0)
    }

    /// As a server sends it that takes the field off.
    pub(super) fn removed(&self) -> Vec<u8> {
        self.bytes(0, 0, 0)
    }

    /// As a server sends it that forgets about the field.
    pub(super) fn forgotten(&self) -> Vec<u8> {
        self.bytes(self.padding_type, self.padding, 0)
    }

    fn bytes(&self, padding_type: u8, stated: usize, padding: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(data) = &self.error_correction {
            bytes.push(0x80 | data.len() as u8);
            bytes.extend(data);
        }
        let types = self.length_type << 5 | padding_type << 3 | self.sequence_type << 1;
        bytes.extend([types | u8::from(self.several), self.property_flags]);
        bytes.extend(number(self.length_type, self.len()));
        bytes.extend(number(self.sequence_type, 77));
        bytes.extend(number(padding_type, stated));
        bytes.extend(self.send_time.to_le_bytes());
        bytes.extend(self.duration.to_le_bytes());
        bytes.extend(&self.payloads);
        bytes.resize(bytes.len() + padding, 0);
        bytes
    }
}

/// One payload with property flags 0x5D: object number of 1 byte, offset of 4, replicated length of 1.
pub(super) fn payload(
    stream: u8,
    object: u8,
    offset: u32,
    size: u32,
    time: u32,
    data: &[u8],
    several: bool,
) -> Vec<u8> {
    let mut bytes = vec![stream, object];
    bytes.extend(offset.to_le_bytes());
    bytes.push(8);
    bytes.extend(size.to_le_bytes());
    bytes.extend(time.to_le_bytes());
    if several {
        bytes.extend((data.len() as u16).to_le_bytes());
    }
    bytes.extend(data);
    bytes
}
