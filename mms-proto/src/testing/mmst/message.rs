//! Control messages: 32 bytes of head, then one message in units of eight bytes.

use super::super::habits::ChunkCount;

const HEAD: usize = 32;
/// Before what the length counts.
const UNCOUNTED: usize = 16;
/// rep, version, versionMinor, padding, sessionId.
const START: [u8; 8] = [1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0];
const SEAL: [u8; 4] = *b"MMS ";
/// Most bytes of a packet that a client sends.
const LARGEST: usize = 64 * 1024;
/// The second half of a MID: from server to client.
const TO_CLIENT: u32 = 0x0004_0000;

/// The body of a message in the making, from the field behind the MID on.
#[derive(Debug, Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    /// A body that begins with these words.
    pub(super) fn words(words: &[u32]) -> Body {
        Body(words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    pub(super) fn put(mut self, bytes: &[u8]) -> Body {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn word(self, word: u32) -> Body {
        self.put(&word.to_le_bytes())
    }

    /// Text with a zero at its end.
    pub(super) fn text(self, text: &str) -> Body {
        self.put(&wide(text))
    }

    /// Makes the body so long that the packet has `len` bytes.
    pub(super) fn filled(mut self, len: usize) -> Body {
        self.0.resize(len - HEAD - 8, 0x5A);
        self
    }

    /// The packet with head and message.
    pub(super) fn packet(mut self, kind: u16, seq: u16, form: ChunkCount) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let message = self.0.len() + 8;
        let counted = message + HEAD - UNCOUNTED;
        let chunks = match form {
            ChunkCount::Usual => counted / 8,
            ChunkCount::Whole => (message + HEAD) / 8,
        };
        let mut packet = START.to_vec();
        packet.extend((counted as u32).to_le_bytes());
        packet.extend(SEAL);
        packet.extend((chunks as u32).to_le_bytes());
        packet.extend(u32::from(seq).to_le_bytes());
        packet.extend([0; 8]);
        packet.extend(((message / 8) as u32).to_le_bytes());
        packet.extend((TO_CLIENT | u32::from(kind)).to_le_bytes());
        packet.extend(self.0);
        packet
    }
}

/// UTF-16 with a zero at its end.
pub(super) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A message of a client, from its length on: offsets are those of the specification.
#[derive(Debug)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn kind(&self) -> u32 {
        self.word(4)
    }

    /// A field, 0 if the message is too short.
    pub(super) fn word(&self, at: usize) -> u32 {
        self.0.get(at..at + 4).map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    pub(super) fn half(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    pub(super) fn float(&self, at: usize) -> f64 {
        f64::from_bits(u64::from(self.word(at)) | u64::from(self.word(at + 4)) << 32)
    }

    /// UTF-16 up to a zero or the end.
    pub(super) fn text(&self, at: usize) -> String {
        let units =
            self.0.get(at..).unwrap_or_default().chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        String::from_utf16_lossy(&units.take_while(|unit| *unit != 0).collect::<Vec<u16>>())
    }

    pub(super) fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let rest = self.0.get(at..).unwrap_or_default();
        rest[..len.min(rest.len())].to_vec()
    }
}

/// Takes the messages of the first whole packet, `None` if there is none yet.
///
/// # Errors
///
/// The bytes are no packet.
pub(super) fn take(inbox: &mut bytes::BytesMut) -> std::io::Result<Option<Vec<Message>>> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    if inbox.len() < UNCOUNTED {
        return Ok(None);
    }
    if inbox[4..8] != START[4..] || inbox[12..16] != SEAL {
        return Err(wrong("no control packet"));
    }
    let counted = u32::from_le_bytes([inbox[8], inbox[9], inbox[10], inbox[11]]) as usize;
    if !(HEAD - UNCOUNTED..=LARGEST).contains(&counted) {
        return Err(wrong("a control packet of a strange length"));
    }
    if inbox.len() < UNCOUNTED + counted {
        return Ok(None);
    }
    let packet = inbox.split_to(UNCOUNTED + counted);
    let (mut rest, mut messages) = (&packet[HEAD..], Vec::new());
    while rest.len() >= 8 {
        let chunks = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        // Clients count as they like; a length that makes no sense is that of the packet.
        let len = chunks.checked_mul(8).filter(|len| (8..=rest.len()).contains(len)).unwrap_or(rest.len());
        messages.push(Message(rest[..len].to_vec()));
        rest = &rest[len..];
    }
    Ok(Some(messages))
}
