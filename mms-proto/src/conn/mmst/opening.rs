//! From the first word to the answer about the file.

use std::time::Instant;

use bytes::Bytes;

use super::context::Context;
use super::header::{AwaitHeader, File};
use super::stamps::Stamps;
use super::state::State;
use crate::conn::{Awaited, Challenge, Challenger, Error, Event, Facts, Offer, Refusal};
use crate::wire::Hresult;
use crate::wire::mmst::{Connected, Funnel, LinkMacToViewer, LinkViewerToMac, OpenedFile, SecurityChallenge, Token};

/// Names the only OpenFile of a connection.
pub(super) const OPEN_FILE_INCARNATION: u8 = 1;

/// Waits for ReportConnectedEX.
///
/// Spec: MMSP 2.2.4.2
#[derive(Debug)]
pub(super) struct AwaitConnected {
    pub(super) until: Instant,
}

/// Waits for ReportFunnelInfo, which says who we are in requests for lost datagrams.
///
/// Spec: MMSP 2.2.4.6
#[derive(Debug)]
pub(super) struct AwaitFunnelInfo {
    connected: Connected,
    funnel: Funnel,
    pub(super) until: Instant,
}

/// Waits for ReportConnectedFunnel.
///
/// Spec: MMSP 2.2.4.3
#[derive(Debug)]
pub(super) struct AwaitConnectedFunnel {
    connected: Connected,
    client_id: Option<u32>,
    funnel: Funnel,
    pub(super) until: Instant,
}

/// The server does not send packets in this way. The caller may ask for another one.
///
/// Spec: MMSP 2.2.4.4
#[derive(Debug)]
pub(super) struct FunnelRefused {
    connected: Connected,
    client_id: Option<u32>,
}

/// Waits for ReportOpenFile, and for credentials where the server wants to see some.
///
/// Spec: MMSP 2.2.4.7, 2.2.4.14
#[derive(Debug)]
pub(super) struct AwaitOpenFile {
    connected: Connected,
    client_id: Option<u32>,
    funnel: Funnel,
    challenges: u8,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    /// The server has to answer until then.
    Server(Instant),
    /// The caller has to answer this.
    Caller(SecurityChallenge),
}

impl AwaitConnected {
    pub(super) fn handle(self, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<State, Error> {
        match message {
            LinkMacToViewer::ReportConnectedEX(Ok(connected)) => {
                Ok(choose_funnel(connected, None, cx.config.funnel, cx))
            }
            LinkMacToViewer::ReportConnectedEX(Err(reason)) => Ok(cx.refuse(Awaited::Connected, reason)),
            other => cx.unexpected(&other, Awaited::Connected).map(|()| State::Connected(self)),
        }
    }
}

/// Datagrams that are lost can only be asked for by the number that ReportFunnelInfo gives.
fn choose_funnel(connected: Connected, client_id: Option<u32>, funnel: Funnel, cx: &mut Context<'_>) -> State {
    let until = cx.answer();
    if funnel != Funnel::Tcp && client_id.is_none() {
        cx.outbox.send(LinkViewerToMac::FunnelInfo);
        return State::FunnelInfo(AwaitFunnelInfo { connected, funnel, until });
    }
    cx.outbox.send(LinkViewerToMac::ConnectFunnel(funnel));
    State::ConnectedFunnel(AwaitConnectedFunnel { connected, client_id, funnel, until })
}

impl AwaitFunnelInfo {
    pub(super) fn handle(self, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<State, Error> {
        match message {
            // Without it, losses stay losses.
            LinkMacToViewer::ReportFunnelInfo(answer) => {
                cx.outbox.send(LinkViewerToMac::ConnectFunnel(self.funnel));
                Ok(State::ConnectedFunnel(AwaitConnectedFunnel {
                    connected: self.connected,
                    client_id: answer.ok(),
                    funnel: self.funnel,
                    until: cx.answer(),
                }))
            }
            other => cx.unexpected(&other, Awaited::FunnelInfo).map(|()| State::FunnelInfo(self)),
        }
    }
}

impl AwaitConnectedFunnel {
    pub(super) fn handle(self, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<State, Error> {
        match message {
            LinkMacToViewer::ReportConnectedFunnel(Ok(())) => {
                let file_name = cx.config.file_name.clone();
                cx.outbox.send(LinkViewerToMac::OpenFile { incarnation: OPEN_FILE_INCARNATION, file_name });
                Ok(State::OpenFile(AwaitOpenFile {
                    connected: self.connected,
                    client_id: self.client_id,
                    funnel: self.funnel,
                    challenges: 0,
                    turn: Turn::Server(cx.answer()),
                }))
            }
            LinkMacToViewer::ReportConnectedFunnel(Err(reason)) | LinkMacToViewer::ReportDisconnectedFunnel(reason) => {
                Ok(self.refused(reason, cx))
            }
            other => cx.unexpected(&other, Awaited::ConnectedFunnel).map(|()| State::ConnectedFunnel(self)),
        }
    }

    fn refused(self, reason: Hresult, cx: &mut Context<'_>) -> State {
        cx.outbox.tell(Event::Refused(Refusal::Mms { awaiting: Awaited::ConnectedFunnel, reason }));
        State::FunnelRefused(FunnelRefused { connected: self.connected, client_id: self.client_id })
    }
}

impl FunnelRefused {
    pub(super) fn retry(self, funnel: Funnel, cx: &mut Context<'_>) -> State {
        choose_funnel(self.connected, self.client_id, funnel, cx)
    }
}

impl AwaitOpenFile {
    pub(super) fn handle(mut self, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<State, Error> {
        match message {
            LinkMacToViewer::ReportOpenFile(Ok(opened)) => self.opened(&opened, cx),
            LinkMacToViewer::ReportOpenFile(Err(reason)) => Ok(cx.refuse(Awaited::OpenFile, reason)),
            LinkMacToViewer::SecurityChallenge(challenge) => {
                let max = cx.config.limits.challenges;
                self.challenges = self.challenges.saturating_add(1);
                if self.challenges > max {
                    return Err(Error::Limit { what: "questions for credentials", max: u64::from(max) });
                }
                cx.outbox.tell(Event::Challenged(self.question(challenge.token.clone())));
                self.turn = Turn::Caller(challenge);
                Ok(State::OpenFile(self))
            }
            other => cx.unexpected(&other, Awaited::OpenFile).map(|()| State::OpenFile(self)),
        }
    }

    fn question(&self, token: Bytes) -> Challenge {
        let scheme = self.connected.authentication_package.clone();
        Challenge { from: Challenger::Server, offers: vec![Offer { scheme, token }] }
    }

    /// The answer of the caller. `None` if there was no question; the state is as it was then.
    pub(super) fn authenticate(&mut self, token: Token, cx: &mut Context<'_>) -> Result<(), Error> {
        let Turn::Caller(challenge) = &self.turn else {
            return Err(Error::Misuse("an answer without a challenge"));
        };
        let (incarnation, cookie) = (challenge.incarnation, challenge.cookie);
        cx.outbox.send(LinkViewerToMac::SecurityResponse { incarnation, cookie, token });
        self.turn = Turn::Server(cx.answer());
        Ok(())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.turn {
            Turn::Server(until) => Some(until),
            Turn::Caller(_) => None,
        }
    }

    fn opened(self, opened: &OpenedFile, cx: &mut Context<'_>) -> Result<State, Error> {
        cx.outbox.tell(Event::Opened(facts(opened, &self.connected)));
        AwaitHeader::ask(File::new(opened, self.client_id, self.funnel), Stamps::new(), true, cx)
    }
}

fn facts(opened: &OpenedFile, connected: &Connected) -> Facts {
    let has = |attribute| opened.attributes & attribute != 0;
    Facts {
        server: Some(connected.server_version.clone()).filter(|version| !version.is_empty()),
        seekable: has(OpenedFile::CAN_SEEK),
        broadcast: has(OpenedFile::BROADCAST),
        live: has(OpenedFile::LIVE),
        playlist: has(OpenedFile::PLAYLIST),
        duration: opened.duration,
        packet_size: Some(opened.packet_size).filter(|size| *size > 0),
        packets: Some(opened.packet_count).filter(|count| *count > 0),
        bit_rate: Some(opened.bit_rate).filter(|rate| *rate > 0),
        header_len: Some(opened.header_size).filter(|size| *size > 0),
    }
}
