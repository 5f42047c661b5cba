//! What the body of an HTTP response is.

/// Kinds of bodies that a media server, or what stands in its place, answers with.
///
/// Spec: WMSP 2.2.1.2 (Content-Type). Observed: VLC sends chunks as `application/octet-stream`, avserver as `video/x-ms-asf`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyKind {
    /// Chunks of MMSH.
    Framed,
    /// An ASF file as it is: an ordinary web server.
    Asf,
    /// A playlist, for [`playlist`](super::playlist()).
    Playlist,
    /// Something else, such as a page for people.
    Other,
}

/// First bytes of every ASF file.
const ASF: [u8; 4] = [0x30, 0x26, 0xB2, 0x75];

/// Types that are never anything but chunks.
const FRAMED: &[&str] = &["application/x-mms-framed", "application/vnd.ms.wms-hdr.asfv1"];

/// Types that are never anything but playlists.
const PLAYLISTS: &[&str] = &["video/x-ms-asx", "video/x-ms-wvx", "video/x-ms-wax", "audio/x-ms-wax"];

/// Tells from the type that is claimed, without parameters, and the first bytes. Bytes outweigh the type; four of them tell
/// chunks from all others.
///
/// Observed: the types that servers send with each kind
pub fn sniff(content_type: Option<&str>, body: &[u8]) -> BodyKind {
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let listed = |types: &[&str]| types.contains(&content_type.as_str());
    let text = super::playlist::text(body);
    let text = text.trim_start().to_ascii_lowercase();
    match *body {
        [first, b'H' | b'M' | b'D' | b'P' | b'T' | b'C' | b'E', ..] if first & 0x7F == b'$' => BodyKind::Framed,
        _ if body.starts_with(&ASF) => BodyKind::Asf,
        _ if text.starts_with("[reference]") || text.starts_with('<') && text.contains("<asx") => BodyKind::Playlist,
        _ if text.starts_with('<') && !listed(PLAYLISTS) => BodyKind::Other,
        _ if listed(FRAMED) => BodyKind::Framed,
        _ if listed(PLAYLISTS) => BodyKind::Playlist,
        _ => BodyKind::Other,
    }
}
