//! What a server says. Fields count from chunkLen; each message but two has its `hr` at 8.

use std::time::Duration;

use bytes::Bytes;
use nom::bytes::complete::take;
use nom::error::Error;
use nom::number::complete::{le_f64, le_u16, le_u32, le_u64};
use nom::{IResult, Parser};

use super::decode_text;
use crate::wire::{Hresult, WireError};

/// A message from the server. Where it can say no, it is a `Result`; a small positive `hr` is a yes.
///
/// Spec: MMSP 2.2.4. Observed: `hr` is 1 where a server is content
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LinkMacToViewer {
    /// To Connect.
    ReportConnectedEX(Result<Connected, Hresult>),
    /// To ConnectFunnel.
    ReportConnectedFunnel(Result<(), Hresult>),
    /// To ConnectFunnel: not this transport.
    ReportDisconnectedFunnel(Hresult),
    /// To StartPlaying, with its incarnation.
    ReportStartedPlaying(Result<u32, Hresult>),
    /// To OpenFile.
    ReportOpenFile(Result<OpenedFile, Hresult>),
    /// To StartStriding, with its incarnation.
    ReportStartStriding(Result<u32, Hresult>),
    /// To ReadBlock. Comes before the pieces, among or after them, or not at all.
    ReportReadBlock(Result<(), Hresult>),
    /// To FunnelInfo: nCubs, the client id for resend requests.
    ReportFunnelInfo(Result<u32, Hresult>),
    /// Who are you?
    SecurityChallenge(SecurityChallenge),
    /// Are you there? To be answered with the same numbers.
    Ping(u32, u32),
    /// No more packets.
    ReportEndOfStream {
        /// 0: that was all. 1: another content follows. Or a failure.
        reason: Hresult,
        /// That of StopPlaying, else of StartPlaying.
        incarnation: u32,
    },
    /// Another content follows.
    ReportStreamChange(Result<StreamChange, Hresult>),
    /// To StreamSwitch.
    ReportStreamSwitch(Result<(), Hresult>),
    /// Look elsewhere: a URL.
    ReportRedirect(String),
    /// The same message with the other RedirectType: a proxy to ask through, or none any more if it is empty.
    ReportRedirectToProxy(String),
    /// Something else, by its MID.
    Unknown(u32),
}

/// ReportConnectedEX. Of its strings these two say something.
///
/// Spec: MMSP 2.2.4.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// ServerVersionInfo, such as `9.01.01.3841`.
    pub server_version: String,
    /// AuthenPackage: `NTLM`, `BASIC`, or empty.
    pub authentication_package: String,
}

/// ReportOpenFile.
///
/// Spec: MMSP 2.2.4.7
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenedFile {
    /// To be named in all that concerns the file.
    pub open_file_id: u32,
    /// fileAttributes.
    pub attributes: u32,
    /// `None` if there is none, or it is no duration.
    pub duration: Option<Duration>,
    /// filePacketSize: the length of the largest ASF packet, in bytes.
    pub packet_size: u32,
    /// filePacketCount: 0 if it is not known yet.
    pub packet_count: u64,
    /// Bits per second, all streams together.
    pub bit_rate: u32,
    /// fileHeaderSize: what ReadBlock will bring, in bytes.
    pub header_size: u32,
}

impl OpenedFile {
    /// Of [`attributes`](Self::attributes): streams can begin anywhere.
    pub const CAN_SEEK: u32 = 0x0100_0000;
    /// Of [`attributes`](Self::attributes): everybody is at the same place.
    pub const BROADCAST: u32 = 0x0200_0000;
    /// Of [`attributes`](Self::attributes): it is made while it is sent.
    pub const LIVE: u32 = 0x0400_0000;
    /// Of [`attributes`](Self::attributes): several contents.
    pub const PLAYLIST: u32 = 0x4000_0000;
}

/// SecurityChallenge.
///
/// Spec: MMSP 2.2.4.14
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityChallenge {
    /// To be sent back.
    pub incarnation: u32,
    /// To be sent back.
    pub cookie: u32,
    /// What is to be answered.
    pub token: Bytes,
}

/// ReportStreamChange.
///
/// Spec: MMSP 2.2.4.12
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamChange {
    /// cbPacketSize of the new content, in bytes.
    pub packet_size: u32,
    /// cbHeaderSize of the new content, in bytes.
    pub header_size: u32,
    /// Bits per second.
    pub bit_rate: u32,
}

type Input<'a> = &'a [u8];
type Parsed<'a, T> = IResult<Input<'a>, T, Error<Input<'a>>>;

impl LinkMacToViewer {
    /// Reads a message from its chunkLen on. What stands behind the fields is ignored, and after a failure nothing else
    /// is required.
    ///
    /// # Errors
    /// It is too short for its fields.
    ///
    /// Spec: MMSP 2.2.4
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let decoded = body(message);
        decoded.map(|(_, decoded)| decoded).map_err(|error| {
            let left = match &error {
                nom::Err::Error(error) | nom::Err::Failure(error) => error.input.len(),
                nom::Err::Incomplete(_) => 0,
            };
            WireError::new(name(message), message.len().saturating_sub(left), "the message holds its fields")
        })
    }

    /// As the spec calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReportConnectedEX(_) => "ReportConnectedEX",
            Self::ReportConnectedFunnel(_) => "ReportConnectedFunnel",
            Self::ReportDisconnectedFunnel(_) => "ReportDisconnectedFunnel",
            Self::ReportStartedPlaying(_) => "ReportStartedPlaying",
            Self::ReportOpenFile(_) => "ReportOpenFile",
            Self::ReportStartStriding(_) => "ReportStartStriding",
            Self::ReportReadBlock(_) => "ReportReadBlock",
            Self::ReportFunnelInfo(_) => "ReportFunnelInfo",
            Self::SecurityChallenge(_) => "SecurityChallenge",
            Self::Ping(..) => "Ping",
            Self::ReportEndOfStream { .. } => "ReportEndOfStream",
            Self::ReportStreamChange(_) => "ReportStreamChange",
            Self::ReportStreamSwitch(_) => "ReportStreamSwitch",
            Self::ReportRedirect(_) | Self::ReportRedirectToProxy(_) => "ReportRedirect",
            Self::Unknown(_) => "an unknown message",
        }
    }
}

/// Of a message that cannot be read.
fn name(message: &[u8]) -> &'static str {
    match message.get(4..8) {
        Some([0x01, 0, 4, 0]) => "ReportConnectedEX",
        Some([0x06, 0, 4, 0]) => "ReportOpenFile",
        Some([0x15, 0, 4, 0]) => "ReportFunnelInfo",
        Some([0x1A, 0, 4, 0]) => "SecurityChallenge",
        Some([0x1E, 0, 4, 0]) => "ReportEndOfStream",
        Some([0x20, 0, 4, 0]) => "ReportStreamChange",
        Some([0x22, 0, 4, 0]) => "ReportRedirect",
        _ => "message",
    }
}

fn body(message: Input<'_>) -> Parsed<'_, LinkMacToViewer> {
    use LinkMacToViewer as M;
    let (input, (_chunk_len, mid)) = (le_u32, le_u32).parse(message)?;
    match mid {
        0x0004_0001 => answer(connected).map(M::ReportConnectedEX).parse(input),
        0x0004_0002 => answer(nothing).map(M::ReportConnectedFunnel).parse(input),
        0x0004_0003 => le_u32.map(Hresult).map(M::ReportDisconnectedFunnel).parse(input),
        0x0004_0005 => answer(le_u32).map(M::ReportStartedPlaying).parse(input),
        0x0004_0006 => answer(opened_file).map(M::ReportOpenFile).parse(input),
        0x0004_000A => answer(le_u32).map(M::ReportStartStriding).parse(input),
        0x0004_0011 => answer(nothing).map(M::ReportReadBlock).parse(input),
        0x0004_0015 => answer(funnel_info).map(M::ReportFunnelInfo).parse(input),
        0x0004_001A => challenge.map(M::SecurityChallenge).parse(input),
        0x0004_001B => (le_u32, le_u32).map(|(first, second)| M::Ping(first, second)).parse(input),
        0x0004_001E => end_of_stream(input),
        0x0004_0020 => answer(stream_change).map(M::ReportStreamChange).parse(input),
        0x0004_0021 => answer(nothing).map(M::ReportStreamSwitch).parse(input),
        0x0004_0022 => redirect(input),
        unknown => Ok((input, M::Unknown(unknown))),
    }
}

/// `hr`, and what follows a yes.
fn answer<'a, T>(
    mut yes: impl Parser<Input<'a>, Output = T, Error = Error<Input<'a>>>,
) -> impl Parser<Input<'a>, Output = Result<T, Hresult>, Error = Error<Input<'a>>> {
    move |input: Input<'a>| {
        let (input, hr) = le_u32.map(Hresult).parse(input)?;
        if hr.is_failure() { Ok((input, Err(hr))) } else { yes.parse(input).map(|(rest, value)| (rest, Ok(value))) }
    }
}

fn nothing(input: Input<'_>) -> Parsed<'_, ()> {
    Ok((input, ()))
}

/// ```text
/// 12            16      20      24                   32                36
/// | incarnation | 4000B | 3001C | blockGroupPlayTime | blockGroupBlocks | nMaxOpenFiles
///
/// 40               44           48                    52              56             60
/// | nBlockMaxBytes | maxBitRate | cbServerVersionInfo | cbVersionInfo | cbVersionUrl | cbAuthenPackage
///
/// 64
/// | the four strings
/// ```
/// The four lengths are in units, with the zero one. A string is clipped to what is there: a session does not end for
/// it.
fn connected(input: Input<'_>) -> Parsed<'_, Connected> {
    let (input, _) = take(36_usize).parse(input)?;
    let (strings, lengths) = (le_u32, le_u32, le_u32, le_u32).parse(input)?;
    let units = |count: u32| usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(2);
    let (server_version, rest) = clipped(strings, units(lengths.0));
    let (_, rest) = clipped(rest, units(lengths.1));
    let (_, rest) = clipped(rest, units(lengths.2));
    let (package, rest) = clipped(rest, units(lengths.3));
    let connected =
        Connected { server_version: decode_text(server_version), authentication_package: decode_text(package) };
    Ok((rest, connected))
}

fn clipped(input: Input<'_>, len: usize) -> (Input<'_>, Input<'_>) {
    input.split_at_checked(len).unwrap_or((input, &[]))
}

/// ```text
/// 12            16           20        24         28               32              40           44
/// | incarnation | openFileId | padding | fileName | fileAttributes | f64 duration | fileBlocks | 16 unused bytes
///
/// 60               64                    72            76               80
/// | filePacketSize | u64 filePacketCount | fileBitRate | fileHeaderSize | 36 unused bytes
/// ```
fn opened_file(input: Input<'_>) -> Parsed<'_, OpenedFile> {
    let (input, (_, open_file_id, _, _, attributes)) = (le_u32, le_u32, le_u32, le_u32, le_u32).parse(input)?;
    let (input, (seconds, _)) = (le_f64, take(20_usize)).parse(input)?;
    let (input, (packet_size, packet_count, bit_rate, header_size)) = (le_u32, le_u64, le_u32, le_u32).parse(input)?;
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero());
    let file = OpenedFile { open_file_id, attributes, duration, packet_size, packet_count, bit_rate, header_size };
    Ok((input, file))
}

/// nCubs at 28.
fn funnel_info(input: Input<'_>) -> Parsed<'_, u32> {
    (take(16_usize), le_u32).map(|(_, cubs)| cubs).parse(input)
}

/// ```text
/// 8                 12       16        20
/// | playIncarnation | cookie | cbToken | token
/// ```
fn challenge(input: Input<'_>) -> Parsed<'_, SecurityChallenge> {
    let (input, (incarnation, cookie, len)) = (le_u32, le_u32, le_u32).parse(input)?;
    let (input, token) = take(len).parse(input)?;
    Ok((input, SecurityChallenge { incarnation, cookie, token: Bytes::copy_from_slice(token) }))
}

fn end_of_stream(input: Input<'_>) -> Parsed<'_, LinkMacToViewer> {
    let (input, (reason, incarnation)) = (le_u32.map(Hresult), le_u32).parse(input)?;
    Ok((input, LinkMacToViewer::ReportEndOfStream { reason, incarnation }))
}

/// ```text
/// 12             16             20             24        28
/// | 0xFF         | cbPacketSize | cbHeaderSize | bitrate | streamId
/// ```
fn stream_change(input: Input<'_>) -> Parsed<'_, StreamChange> {
    let (input, (_, packet_size, header_size, bit_rate)) = (le_u32, le_u32, le_u32, le_u32).parse(input)?;
    Ok((input, StreamChange { packet_size, header_size, bit_rate }))
}

/// ```text
/// 8    12     14   16
/// | hr | type | cb | URL, cb bytes
/// ```
fn redirect(input: Input<'_>) -> Parsed<'_, LinkMacToViewer> {
    let (input, (_, redirect_type, len)) = (le_u32, le_u16, le_u16).parse(input)?;
    let (url, rest) = clipped(input, usize::from(len));
    let url = decode_text(url);
    Ok((
        rest,
        match redirect_type {
            2 => LinkMacToViewer::ReportRedirectToProxy(url),
            _ => LinkMacToViewer::ReportRedirect(url),
        },
    ))
}
