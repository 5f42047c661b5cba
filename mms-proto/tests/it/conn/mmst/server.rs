//! What a server says, written by hand: nothing of the crate is used here.

pub(crate) const CONNECTED: u16 = 0x01;
pub(crate) const FUNNEL: u16 = 0x02;
pub(crate) const NO_FUNNEL: u16 = 0x03;
pub(crate) const STARTED: u16 = 0x05;
pub(crate) const OPENED: u16 = 0x06;
pub(crate) const STRIDING: u16 = 0x0A;
pub(crate) const READ_BLOCK: u16 = 0x11;
pub(crate) const FUNNEL_INFO: u16 = 0x15;
pub(crate) const CHALLENGE: u16 = 0x1A;
pub(crate) const PING: u16 = 0x1B;
pub(crate) const END: u16 = 0x1E;
pub(crate) const CHANGE: u16 = 0x20;
pub(crate) const SWITCHED: u16 = 0x21;
pub(crate) const REDIRECT: u16 = 0x22;

pub(crate) const FILE_ID: u32 = 7;
pub(crate) const PACKETS: u64 = 5000;

/// A message without its TcpMessageHeader.
pub(crate) fn bare(command: u16, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 4];
    message.extend(command.to_le_bytes());
    message.extend([0x04, 0x00]);
    message.extend(body);
    message.resize(message.len().next_multiple_of(8), 0);
    let chunks = message.len() as u32 / 8;
    message[..4].copy_from_slice(&chunks.to_le_bytes());
    message
}

/// A TcpMessageHeader, and what follows it. The time is garbage, as real servers send it.
pub(crate) fn framed(messages: &[u8]) -> Vec<u8> {
    let length = messages.len() as u32 + 16;
    let mut frame = vec![1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0];
    frame.extend(length.to_le_bytes());
    frame.extend(b"MMS ");
    frame.extend((length / 8).to_le_bytes());
    frame.extend([3, 0, 0, 0, 0x00, 0x80, 0x1C, 0x04, 0xC0, 0x43, 0xE6, 0x40]);
    frame.extend(messages);
    frame
}

pub(crate) fn message(command: u16, body: &[u8]) -> Vec<u8> {
    framed(&bare(command, body))
}

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn refused(command: u16, hr: u32) -> Vec<u8> {
    message(command, &words(&[hr]))
}

pub(crate) fn connected_as(version: &str, package: &str) -> Vec<u8> {
    let units = |text: &str| if text.is_empty() { 0 } else { text.encode_utf16().count() as u32 + 1 };
    let mut body = words(&[0, 0xF0F0_F0EF, 0x0004_000B, 0x0003_001C, 0, 0x3FF0_0000, 1, 1, 0x8000, 10_000_000]);
    body.extend(words(&[units(version), 0, 0, units(package)]));
    for text in [version, package].into_iter().filter(|text| !text.is_empty()) {
        body.extend(utf16(text));
    }
    message(CONNECTED, &body)
}

pub(crate) fn connected() -> Vec<u8> {
    connected_as("9.01.01.3841", "")
}

pub(crate) fn funnel_info(client_id: u32) -> Vec<u8> {
    message(FUNNEL_INFO, &words(&[0, 0, 8, 1, 0x1_0000, client_id, 0, 1, 0, 0]))
}

pub(crate) fn funnel() -> Vec<u8> {
    let mut body = words(&[0, 0, 0]);
    body.extend(utf16("Funnel Of The Gods"));
    message(FUNNEL, &body)
}

/// What ReportOpenFile says.
#[derive(Clone, Copy)]
pub(crate) struct File {
    pub(crate) hr: u32,
    pub(crate) attributes: u32,
    pub(crate) packets: u64,
    pub(crate) header_size: u32,
}

impl Default for File {
    fn default() -> Self {
        Self { hr: 0, attributes: 0x0180_0000, packets: PACKETS, header_size: HEADER_LEN as u32 }
    }
}

pub(crate) fn opened(file: File) -> Vec<u8> {
    let mut body = words(&[file.hr, 1, FILE_ID, 0, 0, file.attributes]);
    body.extend(10.03_f64.to_le_bytes());
    body.extend(words(&[11, 0, 0, 0, 0, 3200]));
    body.extend(file.packets.to_le_bytes());
    body.extend(words(&[32_000, file.header_size]));
    body.extend([0; 36]);
    message(OPENED, &body)
}

pub(crate) fn read_block(incarnation: u32) -> Vec<u8> {
    message(READ_BLOCK, &words(&[0, incarnation, 0]))
}

pub(crate) fn switched() -> Vec<u8> {
    message(SWITCHED, &words(&[0, 0]))
}

pub(crate) fn started(incarnation: u8) -> Vec<u8> {
    message(STARTED, &words(&[0, u32::from(incarnation), 1, 0, 0, 0, 0]))
}

pub(crate) fn end(hr: u32, incarnation: u8) -> Vec<u8> {
    message(END, &words(&[hr, u32::from(incarnation)]))
}

pub(crate) fn ping(first: u32, second: u32) -> Vec<u8> {
    message(PING, &words(&[first, second]))
}

pub(crate) fn challenge(incarnation: u32, cookie: u32, token: &[u8]) -> Vec<u8> {
    let mut body = words(&[incarnation, cookie, token.len() as u32]);
    body.extend(token);
    message(CHALLENGE, &body)
}

pub(crate) fn change(header_size: u32) -> Vec<u8> {
    message(CHANGE, &words(&[0, 0xFF, 1600, header_size, 64_000, 1]))
}

pub(crate) fn redirect(url: &str) -> Vec<u8> {
    redirect_of(1, url)
}

/// `redirect_type`: 1 to another place, 2 to a proxy.
pub(crate) fn redirect_of(redirect_type: u16, url: &str) -> Vec<u8> {
    let mut url = utf16(url);
    let mut body = words(&[0]);
    body.extend(redirect_type.to_le_bytes());
    body.extend((url.len() as u16).to_le_bytes());
    body.append(&mut url);
    message(REDIRECT, &body)
}

pub(crate) fn data(location: u32, incarnation: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = location.to_le_bytes().to_vec();
    packet.extend([incarnation, flags]);
    packet.extend((payload.len() as u16 + 8).to_le_bytes());
    packet.extend(payload);
    packet
}

/// What every media packet here carries: enough to know it again.
pub(crate) fn payload(location: u32) -> Vec<u8> {
    (0..40).flat_map(|_| location.to_be_bytes()).collect()
}

pub(crate) fn media(location: u32, incarnation: u8) -> Vec<u8> {
    data(location, incarnation, location as u8, &payload(location))
}

pub(crate) const HEADER_LEN: usize = 450;

/// As long as its Header Object says, with the last field of the Data Object at its end.
pub(crate) fn header_of(len: usize) -> Vec<u8> {
    let mut header: Vec<u8> = (0..len).map(|at| (at * 7 + 2) as u8).collect();
    header[16..24].copy_from_slice(&(len as u64 - 50).to_le_bytes());
    header[len - 2..].fill(1);
    header
}

pub(crate) fn header() -> Vec<u8> {
    header_of(HEADER_LEN)
}

/// The header in pieces of this length, with the marks of MMST.
pub(crate) fn pieces_of(header: &[u8], len: usize, incarnation: u8) -> Vec<Vec<u8>> {
    let count = header.len().div_ceil(len);
    let flags = |index: usize| if index + 1 == count { 0x0C } else { 0x04 };
    header.chunks(len).enumerate().map(|(at, piece)| data(at as u32, incarnation, flags(at), piece)).collect()
}

pub(crate) fn pieces(incarnation: u8) -> Vec<u8> {
    pieces_of(&header(), 200, incarnation).concat()
}
