//! From the header on: streams, one after another.

use std::time::Instant;

use super::config::SeekForm;
use super::context::Context;
use super::header::{AwaitHeader, File};
use super::playing::Playing;
use super::stamps::Stamps;
use super::state::State;
use crate::conn::{Awaited, Error, Event, Refusal, StreamChoice};
use crate::wire::mmst::{
    LinkMacToViewer, LinkViewerToMac, StartPlaying, StreamChange, UNUSED_LOCATION, UNUSED_POSITION,
};
use crate::wire::{DataPacket, Hresult};

/// A session with a header.
#[derive(Debug)]
pub(super) struct Session {
    file: File,
    stamps: Stamps,
    /// The last number of a datagram.
    top: Option<u32>,
    /// When the answer to StreamSwitch is due.
    switching: Option<Instant>,
    phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    Ready,
    Playing(Playing),
    Stopping {
        until: Instant,
        /// Another content has begun meanwhile.
        change: Option<StreamChange>,
    },
    /// One content has ended and another one has been promised.
    Between {
        until: Instant,
    },
}

impl Session {
    pub(super) fn new(file: File, stamps: Stamps, phase: Phase) -> Self {
        Self { file, stamps, top: None, switching: None, phase }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready) && self.switching.is_none()
    }

    pub(super) fn is_streaming(&self) -> bool {
        matches!(self.phase, Phase::Playing(_))
    }

    /// Chooses streams. Players that do not, get none.
    ///
    /// Spec: MMSP 2.2.4.28
    pub(super) fn select(&mut self, choices: &[StreamChoice], cx: &mut Context<'_>) -> Result<(), Error> {
        if self.switching.is_some() || !matches!(self.phase, Phase::Ready | Phase::Playing(_)) {
            return Err(Error::Misuse("a selection while something else is under way"));
        }
        let most = usize::from(StreamChoice::MAX_STREAM);
        if choices.is_empty() || choices.len() > most || !choices.iter().all(StreamChoice::is_valid) {
            return Err(Error::Misuse("a selection names 1 to 127 streams, of numbers 1 to 127"));
        }
        cx.outbox.send(LinkViewerToMac::StreamSwitch(choices.to_vec()));
        self.switching = Some(cx.answer());
        Ok(())
    }

    /// Starts a stream. While packets are being sent, a server ignores where it is asked to begin.
    ///
    /// Spec: MMSP 2.2.4.25, 3.2
    pub(super) fn play(&mut self, from: u32, form: SeekForm, cx: &mut Context<'_>) -> Result<(), Error> {
        if !self.is_ready() {
            return Err(Error::Misuse("a start while something else is under way"));
        }
        if from == UNUSED_LOCATION || self.file.packets.is_some_and(|packets| u64::from(from) >= packets) {
            return Err(Error::Misuse("a start behind the last packet"));
        }
        let (position, location) = match (from, form) {
            (0, _) => (0.0, UNUSED_LOCATION),
            (from, SeekForm::Wild) => (0.0, from),
            (from, SeekForm::Spec) => (UNUSED_POSITION, from),
        };
        cx.outbox.send(LinkViewerToMac::StartPlaying(StartPlaying {
            open_file_id: self.file.open_file_id,
            incarnation: self.stamps.start(),
            position,
            location,
            acceleration: cx.config.acceleration,
        }));
        *cx.stale = 0;
        self.phase = Phase::Playing(Playing::asked(from, &self.file, self.top, cx));
        Ok(())
    }

    /// Ends a stream.
    ///
    /// Spec: MMSP 2.2.4.27
    pub(super) fn stop(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let Phase::Playing(playing) = &self.phase else { return Err(Error::Misuse("a stop while nothing plays")) };
        self.top = playing.top().or(self.top);
        if let Some(reason) = playing.ending() {
            cx.outbox.tell(Event::Stopped);
            self.phase = after(reason, cx);
            return Ok(());
        }
        let (open_file_id, incarnation) = (self.file.open_file_id, self.stamps.current());
        cx.outbox.send(LinkViewerToMac::StopPlaying { open_file_id, incarnation });
        self.phase = Phase::Stopping { until: cx.now + cx.config.waits.stop, change: None };
        Ok(())
    }

    pub(super) fn handle(mut self: Box<Self>, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<State, Error> {
        match message {
            LinkMacToViewer::ReportStreamSwitch(answer) => self.switched(answer, cx),
            LinkMacToViewer::ReportStartedPlaying(answer) => self.reported(answer, cx),
            LinkMacToViewer::ReportEndOfStream { reason, incarnation } => return self.ended(reason, incarnation, cx),
            LinkMacToViewer::ReportStreamChange(Ok(change)) => return self.changed(change, cx),
            LinkMacToViewer::ReportStreamChange(Err(reason)) => return Ok(cx.refuse(Awaited::Change, reason)),
            other => cx.unexpected(&other, self.awaited())?,
        }
        Ok(State::Session(self))
    }

    fn switched(&mut self, answer: Result<(), Hresult>, cx: &mut Context<'_>) {
        if self.switching.take().is_some()
            && let Err(reason) = answer
        {
            cx.outbox.tell(Event::Refused(Refusal::Mms { awaiting: Awaited::StreamSwitch, reason }));
        }
    }

    fn reported(&mut self, answer: Result<u32, Hresult>, cx: &mut Context<'_>) {
        let earlier = answer.is_ok_and(|incarnation| self.stamps.is_of_earlier(incarnation));
        let Phase::Playing(playing) = &mut self.phase else { return };
        if playing.is_reported() || earlier {
            return;
        }
        match answer {
            Ok(_) => playing.report(cx),
            Err(reason) => {
                cx.outbox.tell(Event::Refused(Refusal::Mms { awaiting: Awaited::Started, reason }));
                self.stamps.refused();
                self.phase = Phase::Ready;
            }
        }
    }

    /// The last word about a stream of which no more packets come. Of the streams before, it may be said twice: if they
    /// came to their end while they were being stopped.
    fn ended(mut self: Box<Self>, reason: Hresult, incarnation: u32, cx: &mut Context<'_>) -> Result<State, Error> {
        if self.stamps.is_of_earlier(incarnation) {
            return Ok(State::Session(self));
        }
        match &mut self.phase {
            Phase::Playing(playing) if playing.is_reported() || incarnation == u32::from(self.stamps.current()) => {
                playing.end(reason, &self.file, cx);
                self.pump(cx);
            }
            Phase::Stopping { change, .. } => {
                cx.outbox.tell(Event::Stopped);
                let change = change.take();
                self.phase = Phase::Ready;
                if let Some(change) = change {
                    return self.ask_again(&change, cx);
                }
            }
            Phase::Playing(_) | Phase::Ready | Phase::Between { .. } => {}
        }
        Ok(State::Session(self))
    }

    /// On the connection, header and packets of the new content follow; else all has to be asked for.
    fn changed(mut self: Box<Self>, change: StreamChange, cx: &mut Context<'_>) -> Result<State, Error> {
        let follows = match &mut self.phase {
            Phase::Stopping { change: pending, .. } => {
                *pending = Some(change);
                return Ok(State::Session(self));
            }
            Phase::Playing(playing) => {
                self.top = playing.top().or(self.top);
                playing.flush(cx);
                if let Some(reason) = playing.ending() {
                    cx.outbox.tell(Event::Ended { reason, more: true });
                }
                !playing.is_by_datagram()
            }
            Phase::Between { .. } => self.file.is_on_connection(),
            Phase::Ready => false,
        };
        if !follows {
            return self.ask_again(&change, cx);
        }
        cx.outbox.tell(Event::Changed);
        self.file.change(&change);
        AwaitHeader::announced(self.file, self.stamps, cx)
    }

    fn ask_again(mut self: Box<Self>, change: &StreamChange, cx: &mut Context<'_>) -> Result<State, Error> {
        cx.outbox.tell(Event::Changed);
        self.file.change(change);
        AwaitHeader::ask(self.file, self.stamps, false, cx)
    }

    pub(super) fn data(mut self: Box<Self>, packet: DataPacket, cx: &mut Context<'_>) -> Result<State, Error> {
        let Phase::Playing(playing) = &mut self.phase else {
            self.stamps.pass_over(&packet.header);
            cx.drop_stale(&packet.header)?;
            return Ok(State::Session(self));
        };
        if !self.stamps.takes(&packet.header, playing.stream(&self.file)) {
            cx.drop_stale(&packet.header)?;
            return Ok(State::Session(self));
        }
        self.top = playing.top().or(self.top);
        playing.take(packet, cx);
        self.pump(cx);
        Ok(State::Session(self))
    }

    pub(super) fn datagram(mut self: Box<Self>, packet: DataPacket, cx: &mut Context<'_>) -> State {
        if let Phase::Playing(playing) = &mut self.phase {
            let stream = playing.stream(&self.file);
            if playing.is_by_datagram() && self.stamps.takes_datagram(&packet.header, stream) {
                playing.hold(packet);
                self.pump(cx);
            } else if !packet.header.is_packet_pair() {
                cx.pass_over(&packet.header);
            }
        }
        State::Session(self)
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.pump(cx);
    }

    fn pump(&mut self, cx: &mut Context<'_>) {
        let Phase::Playing(playing) = &mut self.phase else { return };
        if let Some(reason) = playing.pump(&self.file, cx) {
            self.top = playing.top().or(self.top);
            self.ended_by(reason, cx);
        }
    }

    fn ended_by(&mut self, reason: Hresult, cx: &mut Context<'_>) {
        cx.outbox.tell(Event::Ended { reason, more: reason == Hresult::FALSE });
        self.phase = after(reason, cx);
    }

    /// The connection has ended: tells what is held, and the end if that was told to us.
    pub(super) fn closed(&mut self, cx: &mut Context<'_>) {
        let Phase::Playing(playing) = &mut self.phase else { return };
        playing.flush(cx);
        if let Some(reason) = playing.ending() {
            self.ended_by(reason, cx);
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Awaited)> {
        let of_phase = match &self.phase {
            Phase::Ready => None,
            Phase::Playing(playing) => playing.first_packet_until(),
            Phase::Stopping { until, .. } | Phase::Between { until } => Some(*until),
        };
        let switching = self.switching.map(|until| (until, Awaited::StreamSwitch));
        of_phase
            .map(|until| (until, self.awaited_by_phase()))
            .into_iter()
            .chain(switching)
            .min_by_key(|(until, _)| *until)
    }

    pub(super) fn timer(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Playing(playing) => playing.timer(),
            _ => None,
        }
    }

    pub(super) fn awaited(&self) -> Awaited {
        match self.phase {
            Phase::Ready if self.switching.is_some() => Awaited::StreamSwitch,
            _ => self.awaited_by_phase(),
        }
    }

    fn awaited_by_phase(&self) -> Awaited {
        match &self.phase {
            Phase::Ready => Awaited::Nothing,
            Phase::Playing(playing) if playing.first_packet_until().is_none() => Awaited::Packet,
            Phase::Playing(playing) if playing.is_reported() => Awaited::FirstPacket,
            Phase::Playing(_) => Awaited::Started,
            Phase::Stopping { .. } => Awaited::Stopped,
            Phase::Between { .. } => Awaited::Change,
        }
    }
}

/// What a stream leaves behind that has ended by itself.
fn after(reason: Hresult, cx: &Context<'_>) -> Phase {
    match reason {
        Hresult::FALSE => Phase::Between { until: cx.now + cx.config.waits.header },
        _ => Phase::Ready,
    }
}
