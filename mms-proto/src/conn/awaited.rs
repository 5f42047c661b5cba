//! What an answer is awaited for.

use std::fmt;

/// Where the dialogue stands.
///
/// Spec: MMSP 3.1.1, WMSP 3.1.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Awaited {
    /// ReportConnectedEX, to Connect.
    Connected,
    /// ReportFunnelInfo, to FunnelInfo.
    FunnelInfo,
    /// ReportConnectedFunnel, to ConnectFunnel.
    ConnectedFunnel,
    /// ReportOpenFile, to OpenFile.
    OpenFile,
    /// The pieces of the header, to ReadBlock.
    Header,
    /// ReportStreamSwitch, to StreamSwitch.
    StreamSwitch,
    /// ReportStartedPlaying, to StartPlaying.
    Started,
    /// The first packet of a stream.
    FirstPacket,
    /// The next packet of a stream.
    Packet,
    /// The end of a stream that was stopped.
    Stopped,
    /// ReportStreamChange, after the end of a content that another one follows.
    Change,
    /// The status and the header lines of an HTTP answer.
    Response,
    /// Nothing: the session is idle.
    Nothing,
}

impl Awaited {
    /// In the words of the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "the answer to Connect",
            Self::FunnelInfo => "the answer to FunnelInfo",
            Self::ConnectedFunnel => "the answer to ConnectFunnel",
            Self::OpenFile => "the answer to OpenFile",
            Self::Header => "the ASF header",
            Self::StreamSwitch => "the answer to StreamSwitch",
            Self::Started => "the answer to StartPlaying",
            Self::FirstPacket => "the first packet",
            Self::Packet => "a packet",
            Self::Stopped => "the end of the stream",
            Self::Change => "the next content",
            Self::Response => "the HTTP response",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
