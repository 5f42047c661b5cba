//! The states, and what goes to which.

use std::time::Instant;

use super::context::Context;
use super::header::AwaitHeader;
use super::opening::{AwaitConnected, AwaitConnectedFunnel, AwaitFunnelInfo, AwaitOpenFile, FunnelRefused};
use super::session::Session;
use crate::conn::{Awaited, Error, Event};
use crate::wire::DataPacket;
use crate::wire::mmst::LinkMacToViewer;

/// The dialogue. What each arrow carries is what a state waits for.
///
/// ```text
///                       Connect ->
///  AwaitConnected ----------------- ReportConnectedEX ------------------+
///        |  (packets as datagrams)        FunnelInfo ->                 | (packets on the connection)
///        +--> AwaitFunnelInfo ----- ReportFunnelInfo -------------------+
///                                                                       |  ConnectFunnel ->
///  FunnelRefused <-- ReportDisconnectedFunnel -- AwaitConnectedFunnel <-+
///        |  retry_funnel                          ^     |
///        +----------------------------------------+     | ReportConnectedFunnel         OpenFile ->
///                                                       v
///             +-- SecurityChallenge, authenticate -- AwaitOpenFile       SecurityResponse ->
///             +------------------------------------->   |
///                                                       | ReportOpenFile                ReadBlock ->
///                                                       v
///       +---------------------------------------> AwaitHeader
///       | ReportStreamChange                            | Data ..
///       |                                               v                     select: StreamSwitch ->
///     Session: Between <-- ReportEndOfStream(1) ---+  Ready  <----------------------------+
///                                                  |    | play    StartPlaying ->          |
///                                                  |    v                                 |
///                                                 Playing --- ReportEndOfStream ----------+
///                                                       | stop    StopPlaying ->          |
///                                                       v                                 |
///                                                   Stopping -- ReportEndOfStream --------+
///
///  Over: after a refusal, a redirect, or close
/// ```
///
/// Spec: MMSP 3.1
#[derive(Debug)]
pub(super) enum State {
    Connected(AwaitConnected),
    FunnelInfo(AwaitFunnelInfo),
    ConnectedFunnel(AwaitConnectedFunnel),
    FunnelRefused(FunnelRefused),
    OpenFile(AwaitOpenFile),
    Header(Box<AwaitHeader>),
    Session(Box<Session>),
    Over,
}

impl State {
    /// Takes a message in.
    pub(super) fn handle(self, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<Self, Error> {
        match (self, message) {
            (Self::Over, _) => Ok(Self::Over),
            (state, LinkMacToViewer::Ping(first, second)) => {
                cx.outbox.pong(cx.now, first, second);
                Ok(state)
            }
            (_, LinkMacToViewer::ReportRedirect(url)) => {
                cx.outbox.tell(Event::Redirected(url));
                cx.outbox.close();
                Ok(Self::Over)
            }
            (_, LinkMacToViewer::ReportRedirectToProxy(url)) => {
                cx.outbox.tell(Event::UseProxy(url));
                cx.outbox.close();
                Ok(Self::Over)
            }
            (Self::ConnectedFunnel(state), message) => state.handle(message, cx),
            (_, LinkMacToViewer::ReportDisconnectedFunnel(reason)) => Ok(cx.refuse(Awaited::ConnectedFunnel, reason)),
            (Self::Connected(state), message) => state.handle(message, cx),
            (Self::FunnelInfo(state), message) => state.handle(message, cx),
            (Self::OpenFile(state), message) => state.handle(message, cx),
            (Self::Header(state), message) => state.handle(message, cx),
            (Self::Session(state), message) => state.handle(message, cx),
            (state @ Self::FunnelRefused(_), message) => cx.unexpected(&message, state.awaited()).map(|()| state),
        }
    }

    /// Takes a Data packet of the connection in.
    pub(super) fn data(self, packet: DataPacket, cx: &mut Context<'_>) -> Result<Self, Error> {
        match self {
            Self::Over => Ok(Self::Over),
            Self::Header(state) => state.data(&packet, cx),
            Self::Session(state) => state.data(packet, cx),
            // Half a packet pair, or something that nobody knows.
            state => cx.drop_stale(&packet.header).map(|()| state),
        }
    }

    /// Takes a datagram in. Anybody can send one, so that what does not belong here is no offence.
    pub(super) fn datagram(self, packet: DataPacket, cx: &mut Context<'_>) -> Result<Self, Error> {
        match self {
            Self::Header(state) => state.datagram(&packet, cx),
            Self::Session(state) => Ok(state.datagram(packet, cx)),
            state => Ok(state),
        }
    }

    /// Does what is due, with nothing having come.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        match self {
            Self::Header(state) => state.tick(cx),
            Self::Session(state) => {
                state.tick(cx);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// When patience ends, and with what.
    pub(super) fn deadline(&self) -> Option<(Instant, Awaited)> {
        let until = match self {
            Self::Connected(state) => Some(state.until),
            Self::FunnelInfo(state) => Some(state.until),
            Self::ConnectedFunnel(state) => Some(state.until),
            Self::OpenFile(state) => state.deadline(),
            Self::Header(state) => Some(state.deadline()),
            Self::Session(state) => return state.deadline(),
            Self::FunnelRefused(_) | Self::Over => None,
        };
        until.map(|until| (until, self.awaited()))
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn timer(&self) -> Option<Instant> {
        match self {
            Self::Header(state) => state.timer(),
            Self::Session(state) => state.timer(),
            _ => None,
        }
    }

    pub(super) fn awaited(&self) -> Awaited {
        match self {
            Self::Connected(_) => Awaited::Connected,
            Self::FunnelInfo(_) => Awaited::FunnelInfo,
            Self::ConnectedFunnel(_) => Awaited::ConnectedFunnel,
            Self::OpenFile(_) => Awaited::OpenFile,
            Self::Header(_) => Awaited::Header,
            Self::Session(state) => state.awaited(),
            Self::FunnelRefused(_) | Self::Over => Awaited::Nothing,
        }
    }
}
