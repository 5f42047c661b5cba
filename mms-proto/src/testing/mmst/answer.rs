//! The bodies of longer answers.

use super::super::Film;
use super::message::Body;

const CAN_SEEK: u32 = 0x0100_0000;
const BROADCAST: u32 = 0x0200_0000;
const LIVE: u32 = 0x0400_0000;
const MAX_BIT_RATE: u32 = 0x0098_9680;

/// ReportConnectedEX, with the version of the server and the scheme of credentials.
pub(super) fn connected(hr: u32, incarnation: u32, version: &str, scheme: Option<&str>) -> Body {
    let chars = |text: &str| text.encode_utf16().count() as u32 + 1;
    let body = Body::words(&[hr, incarnation, 0x0004_000B, 0x0003_001C]).put(&1.0_f64.to_le_bytes());
    let body = body.word(1).word(1).word(0x8000).word(MAX_BIT_RATE);
    let body = body.word(chars(version)).word(0).word(0).word(scheme.map_or(0, chars)).text(version);
    match scheme {
        Some(scheme) => body.text(scheme),
        None => body,
    }
}

/// ReportFunnelInfo, with the number by which a client asks for lost datagrams.
pub(super) fn funnel_info(hr: u32, incarnation: u32, client: u32) -> Body {
    Body::words(&[hr, incarnation, 8, 1, 0x1_0000, client, 0, 1, 0, 0])
}

/// ReportOpenFile.
pub(super) fn open_file(incarnation: u32, file: u32, film: &Film, live: bool) -> Body {
    let ms = if live { 0 } else { film.play_ms() };
    let attributes = if live { BROADCAST | LIVE } else { CAN_SEEK };
    let packets = if live { 0 } else { u64::from(film.packets()) };
    let body = Body::words(&[0, incarnation, file, 0, 0, attributes]).put(&(ms as f64 / 1000.0).to_le_bytes());
    let body = body.word(ms.div_ceil(1000) as u32).put(&[0; 16]).word(film.packet_size() as u32);
    body.put(&packets.to_le_bytes()).word(film.bit_rate()).word(film.header().len() as u32).put(&[0; 36])
}

/// ReportOpenFile of a file that is not opened.
pub(super) fn not_opened(hr: u32, incarnation: u32) -> Body {
    Body::words(&[hr, incarnation]).put(&[0; 100])
}

/// ReportStreamChange.
pub(super) fn stream_change(film: &Film) -> Body {
    let (packet, header) = (film.packet_size() as u32, film.header().len() as u32);
    Body::words(&[0, 0xFF, packet, header, film.bit_rate(), 0])
}

/// ReportStartedPlaying.
pub(super) fn started(hr: u32, incarnation: u32, file: u32) -> Body {
    Body::words(&[hr, incarnation, file, 0]).put(&[0; 12])
}
