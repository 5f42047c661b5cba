//! The requests of MMSH.
//!
//! ```text
//!   GET target HTTP/1.0
//!   Accept: */*
//!   User-Agent: NSPlayer/7.1.0.3055
//!   Host: host:port
//!   Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=hi:lo,packet-num=n,max-duration=0
//!   Pragma: xPlayStrm=1                                    ; Play only
//!   Pragma: xClientGUID={guid}
//!   Pragma: stream-switch-count=2                          ; Play only
//!   Pragma: stream-switch-entry=ffff:1:0 ffff:2:0          ; in hexadecimal, alone on its line
//!   Connection: Close
//! ```

use std::fmt::Write as _;

use super::{Secret, StreamChoice, Url, WireError};

/// A request for the header of a file (Describe), or for its packets as well (Play).
///
/// Spec: WMSP 2.2.2.1 (Describe), 2.2.2.6 (Play)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Where the file is.
    pub url: &'a Url,
    /// The request goes to a proxy, which is told the whole URL.
    pub to_proxy: bool,
    /// Product and version that decide what the server sends.
    pub user_agent: &'a str,
    /// Names the client: hexadecimal digits and hyphens, without braces.
    pub guid: &'a str,
    /// What proves to the server who we are: a scheme and what belongs to it.
    pub authorization: Option<&'a Secret>,
    /// The same for the proxy.
    pub proxy_authorization: Option<&'a Secret>,
    /// What to play; `None` for the header alone.
    pub play: Option<Play<'a>>,
}

/// Where to begin, and with what.
///
/// Spec: WMSP 2.2.1.4 (packet-num, stream-offset, stream-switch-entry)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Play<'a> {
    /// Number of the first ASF packet; outweighs the offset where both are understood.
    pub packet: Option<u32>,
    /// Offset of that packet in the file, in bytes, header included.
    pub offset: Option<u64>,
    /// Each stream of the file; none at all leaves the choice to the server.
    pub streams: &'a [StreamChoice],
}

/// In a number: not used.
const UNUSED: u32 = u32::MAX;

impl Request<'_> {
    /// The bytes of the request. With proof of who we are, the connection is asked to stay open: some schemes prove it for the
    /// connection.
    ///
    /// # Errors
    /// A packet number that means "not used", stream numbers that are none, or a name of the client that could break a line.
    ///
    /// Spec: WMSP 2.2.1.4, 2.2.1.8, 2.2.2.1 and 2.2.2.6. Observed: libmms, xine and ffmpeg write the numbers of streams in decimal, which is
    /// wrong from 10 on; libmms sends the offset alone, which some relays need, so both are sent
    pub fn encode(&self) -> Result<String, WireError> {
        self.check()?;
        let mut text = String::with_capacity(1024);
        let authority = format!("{}:{}", self.url.host(), self.url.port().unwrap_or(Url::HTTP_PORT));
        let base = if self.to_proxy { format!("http://{authority}") } else { String::new() };
        let play = self.play.unwrap_or(Play { packet: None, offset: None, streams: &[] });
        let mut line = |line: std::fmt::Arguments<'_>| write!(text, "{line}\r\n").is_ok();
        line(format_args!("GET {base}{} HTTP/1.0", self.url.target()));
        line(format_args!("Accept: */*"));
        line(format_args!("User-Agent: {}", self.user_agent));
        line(format_args!("Host: {authority}"));
        line(format_args!(
            "Pragma: no-cache,rate=1.000,stream-time=0,stream-offset={},packet-num={},max-duration=0",
            offset(play.offset),
            play.packet.unwrap_or(UNUSED),
        ));
        if self.play.is_some() {
            line(format_args!("Pragma: xPlayStrm=1"));
        }
        line(format_args!("Pragma: xClientGUID={{{}}}", self.guid));
        if !play.streams.is_empty() {
            let entries =
                play.streams.iter().map(|entry| format!("ffff:{:x}:{:x}", entry.stream, entry.thinning.code()));
            line(format_args!("Pragma: stream-switch-count={}", play.streams.len()));
            line(format_args!("Pragma: stream-switch-entry={}", entries.collect::<Vec<_>>().join(" ")));
        }
        if let Some(secret) = self.authorization {
            line(format_args!("Authorization: {}", secret.expose()));
        }
        if let Some(secret) = self.proxy_authorization {
            line(format_args!("Proxy-Authorization: {}", secret.expose()));
        }
        let proven = self.authorization.is_some() || self.proxy_authorization.is_some();
        line(format_args!("Connection: {}", if proven { "Keep-Alive" } else { "Close" }));
        line(format_args!(""));
        Ok(text)
    }

    fn check(&self) -> Result<(), WireError> {
        let error = |rule| WireError::new("the request", 0, rule);
        if self.guid.is_empty() || !self.guid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(error("a GUID of other than hexadecimal digits and hyphens"));
        }
        if self.user_agent.contains(char::is_control) {
            return Err(error("a control character in the user agent"));
        }
        let Some(play) = &self.play else { return Ok(()) };
        if play.packet == Some(UNUSED) || play.offset == Some(u64::MAX) {
            return Err(error("a packet number or an offset that means none"));
        }
        let most = usize::from(StreamChoice::MAX_STREAM);
        if play.streams.len() > most || !play.streams.iter().all(StreamChoice::is_valid) {
            return Err(error("streams other than 1 to 127"));
        }
        Ok(())
    }
}

/// The upper and the lower half, in decimal.
fn offset(offset: Option<u64>) -> String {
    let offset = offset.unwrap_or(u64::MAX);
    format!("{}:{}", offset >> 32, offset & u64::from(u32::MAX))
}
