//! A session about one file: its packets, from any of them on.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::client::Learned;
use super::config::Config;
use super::link::{Form, Link};
use super::{ConnectionError, OpenError, Presentation, ReadError};
use crate::asf::{self, Padding};
use crate::conn::{Awaited, Error, Event, Facts, Packet, Refusal};
use crate::wire::{Blame, Hresult};

/// Packets that precede the one that was asked for, in bytes, before a server counts as one that does not begin where it is told
/// to. One that goes back to a key frame stays far below.
const BEFORE: u64 = 4 << 20;

/// How far a server was seen to begin behind what it was asked for, in packets.
///
/// Observed: mimms2 against servers of Microsoft's
const BEHIND: u32 = 4;

/// What a session takes in while nobody reads, in bytes.
const HELD: usize = 256 << 10;

/// A session with a server about one file.
///
/// It is at rest, or packets come: [`play`](Self::play), [`read`](Self::read) until `None`, or [`stop`](Self::stop). Whatever a server
/// does, a packet is told with the number that it has in the file; numbers only go up.
#[derive(Debug)]
pub struct Session {
    link: Link,
    config: Arc<Config>,
    learned: Arc<Learned>,
    presentation: Arc<Presentation>,
    /// The packet that is due.
    due: u64,
    /// The next packet of a broadcast tells which one that is.
    joins: bool,
    /// Bytes of packets that were not due since the last one that was.
    astray: u64,
    held: VecDeque<Event>,
    held_len: usize,
    /// Nothing more comes of this content.
    over: bool,
    /// Another content follows it.
    more: bool,
    /// Something has been asked for.
    played: bool,
}

/// A packet of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaPacket {
    /// Its number in the file, from 0. Of a live stream, its number in the broadcast.
    pub location: u32,
    /// The packet, as long as all are.
    pub data: Bytes,
    /// How its padding came.
    pub padding: Padding,
}

impl Session {
    pub(super) fn new(link: Link, config: Arc<Config>, learned: Arc<Learned>, presentation: Arc<Presentation>) -> Self {
        Self {
            link,
            config,
            learned,
            presentation,
            due: 0,
            joins: false,
            astray: 0,
            held: VecDeque::new(),
            held_len: 0,
            over: true,
            more: false,
            played: false,
        }
    }

    /// What is known of the file.
    pub fn presentation(&self) -> &Arc<Presentation> {
        &self.presentation
    }

    /// Asks for packets from number `from` on, and waits for the first. A file that is not seekable, or live, begins where it
    /// begins; ask for 0.
    ///
    /// # Errors
    /// [`OpenError::SeekNotHonoured`] if the server begins far before it however it is asked. The session is then of no more use, as
    /// after any other error.
    pub async fn play(&mut self, from: u32) -> Result<(), OpenError> {
        self.played = true;
        if self.presentation.is_live() {
            self.start(0, Form::First).await?;
            return Ok(());
        }
        let known = self.learned.form();
        let mut forms = vec![known];
        forms.extend(self.link.forms().iter().filter(|form| **form != known));
        let mut got = 0;
        for form in forms {
            let mut first = self.start(from, form).await?;
            if first.is_some_and(|first| first > from) {
                // It does not begin there, or has no such packet, or the first ones got lost. The second shows if it begins a little
                // before.
                self.halt().await?;
                first = self.start(from.saturating_sub(BEHIND), form).await?;
            }
            self.due = from.into();
            match first {
                Some(first) if first < from && self.length(u64::from(from - first)) > BEFORE => got = first,
                _ => {
                    self.learned.keep(form);
                    return Ok(());
                }
            }
            self.halt().await?;
        }
        Err(OpenError::SeekNotHonoured { asked: from, got })
    }

    /// The next packet; `None` when the server has sent all that there is of this content. Numbers that are left out are packets
    /// that do not come: they were lost, or the server has none of them.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`ReadError`]; the session is of no more use.
    pub async fn read(&mut self) -> Result<Option<MediaPacket>, ReadError> {
        while !self.over {
            match self.event().await? {
                Event::Packet(packet) => {
                    if let Some(packet) = self.place(packet)? {
                        return Ok(Some(packet));
                    }
                }
                Event::Ended { reason, more } => self.ended(reason, more)?,
                Event::Changed => self.ended(Hresult::OK, true)?,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Whether another content follows, after [`read`](Self::read) has said `None`.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// What the server goes on with after [`read`](Self::read) has said `None`: its packets are read as those before. `None` if
    /// nothing follows.
    ///
    /// Cancel safe, unless packets come as datagrams: those have to be asked for.
    ///
    /// # Errors
    /// [`ReadError`]; the session is of no more use.
    pub async fn next_content(&mut self) -> Result<Option<Arc<Presentation>>, ReadError> {
        while self.more {
            if let Event::Header(header) = self.event().await? {
                self.changed(&header)?;
                if !self.link.is_streaming() {
                    self.play(0).await.map_err(not_begun)?;
                }
                return Ok(Some(Arc::clone(&self.presentation)));
            }
        }
        Ok(None)
    }

    /// Keeps the session alive while nobody reads, and waits until it is not: it answers what the server asks, and takes in a little of
    /// what comes.
    ///
    /// Cancel safe.
    pub async fn hold(&mut self) -> ConnectionError {
        while self.held_len < HELD && !self.over {
            match self.link.event().await {
                Ok(event) => self.keep(event),
                // All has come, and an end of MMSH closes its connection.
                Err(_) if matches!(self.held.back(), Some(Event::Ended { more: false, .. })) => break,
                Err(error) => return error,
            }
        }
        std::future::pending().await
    }

    /// Ends what was asked for. False if the session is of no more use: also where another content is about to follow.
    pub async fn stop(&mut self) -> bool {
        let at_rest = !self.more;
        self.clear();
        at_rest && self.link.stop().await
    }

    /// Whether packets have been asked for before: some servers serve one stream of a session well, and the next one badly.
    pub fn has_played(&self) -> bool {
        self.played
    }

    /// Says goodbye. Dropping a session does without.
    pub async fn close(mut self) {
        let _ = timeout(self.config.waits.stop, self.link.close()).await;
    }

    /// Starts, and gives the number of the first packet, which is kept. `None`: there is none from there on.
    async fn start(&mut self, from: u32, form: Form) -> Result<Option<u32>, OpenError> {
        self.clear();
        self.link.play(&self.config, &self.presentation, from, form).await?;
        self.over = false;
        self.due = from.into();
        loop {
            match self.link.event().await? {
                Event::Packet(packet) => {
                    let first = packet.location;
                    self.keep(Event::Packet(packet));
                    if self.presentation.is_live() {
                        self.due = first.into();
                    }
                    return Ok(Some(first));
                }
                Event::Refused(refusal) => return Err(OpenError::Refused(refusal)),
                Event::Ended { reason, .. } if reason.blame().is_some_and(|blame| blame != Blame::End) => {
                    return Err(OpenError::Refused(Refusal::Mms { awaiting: Awaited::FirstPacket, reason }));
                }
                // It had packets, and they may have been these: a connection of which this is the first stream will tell.
                Event::Ended { .. } if self.link.has_passed_over() => {
                    return Err(OpenError::Connection(Error::Closed(Awaited::FirstPacket).into()));
                }
                event @ (Event::Ended { .. } | Event::Changed) => {
                    self.keep(event);
                    return Ok(None);
                }
                _ => {}
            }
        }
    }

    /// Stops between two attempts.
    async fn halt(&mut self) -> Result<(), OpenError> {
        if self.stop().await { Ok(()) } else { Err(OpenError::Connection(super::driver::gone())) }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.held_len = 0;
        self.astray = 0;
        self.over = true;
        self.more = false;
    }

    fn keep(&mut self, event: Event) {
        if let Event::Packet(packet) = &event {
            self.held_len += packet.data.len();
        }
        self.held.push_back(event);
    }

    async fn event(&mut self) -> Result<Event, ConnectionError> {
        match self.held.pop_front() {
            Some(event) => {
                if let Event::Packet(packet) = &event {
                    self.held_len -= packet.data.len();
                }
                Ok(event)
            }
            None => self.link.event().await,
        }
    }

    /// A packet at its place, unless it is none of those that are due.
    fn place(&mut self, Packet { location, data }: Packet) -> Result<Option<MediaPacket>, ReadError> {
        let behind = self.presentation.packets().is_some_and(|packets| u64::from(location) >= packets);
        if std::mem::take(&mut self.joins) && self.presentation.is_live() {
            self.due = location.into();
        }
        // A broadcast outlives its numbers.
        let early = match self.presentation.is_live() {
            true => (location.wrapping_sub(self.due as u32) as i32) < 0,
            false => u64::from(location) < self.due,
        };
        if early || behind {
            self.astray += u64::from(self.presentation.packet_size);
            if self.astray > 2 * BEFORE {
                let expected = u32::try_from(self.due).unwrap_or(u32::MAX);
                return Err(ReadError::OutOfPlace { expected, got: location });
            }
            return Ok(None);
        }
        self.astray = 0;
        let size = self.presentation.packet_size;
        let (data, padding) = restored(data, size).map_err(|error| ReadError::Packet { location, error })?;
        self.due = u64::from(location) + 1;
        Ok(Some(MediaPacket { location, data, padding }))
    }

    fn ended(&mut self, reason: Hresult, more: bool) -> Result<(), ReadError> {
        (self.over, self.more) = (true, more);
        match reason.blame() {
            None | Some(Blame::End) => Ok(()),
            Some(_) => Err(ReadError::Ended(reason)),
        }
    }

    /// Another content begins.
    fn changed(&mut self, header: &Bytes) -> Result<(), ReadError> {
        let now = &*self.presentation;
        let choose = |header: &asf::Header| self.config.streams.choose(header);
        // What the server has said of its length was of the content before; and whoever asks anew gets what is on by then.
        let Facts { server, broadcast, live, playlist, .. } = now.facts.clone();
        let facts = Facts { server, broadcast, live, playlist, ..Facts::default() };
        let next = Presentation::new(now.transport, now.url.clone(), facts, header, choose);
        self.presentation = Arc::new(next.map_err(|error| ReadError::Packet { location: 0, error })?);
        (self.over, self.more, self.due, self.joins) = (false, false, 0, true);
        Ok(())
    }

    fn length(&self, packets: u64) -> u64 {
        packets.saturating_mul(self.presentation.packet_size.into())
    }
}

/// Why what follows does not begin.
fn not_begun(error: OpenError) -> ReadError {
    match error {
        OpenError::Connection(error) => error.into(),
        OpenError::Refused(Refusal::Mms { reason, .. }) => ReadError::Ended(reason),
        _ => super::driver::gone().into(),
    }
}

fn restored(data: Bytes, size: u32) -> Result<(Bytes, Padding), asf::AsfError> {
    if u32::try_from(data.len()).is_ok_and(|len| len == size) {
        return Ok((data, Padding::Full));
    }
    let mut packet = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default().max(data.len()));
    packet.extend_from_slice(&data);
    let padding = asf::restore(&mut packet, size)?;
    Ok((packet.freeze(), padding))
}
