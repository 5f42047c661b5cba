//! What each message of a client leads to.

use std::collections::BTreeMap;

use super::super::fault::Step;
use super::super::play::Selection;
use super::super::stats::Asked;
use super::super::udp::Channel;
use super::message::{Body, Message, wide};
use super::{FAILED, Flow, Opened, Session, Verdict, answer};
use crate::testing::auth::from_base64;

const TOO_MANY_SESSIONS: u32 = 0xC00D_000F;
const NOT_FOUND: u32 = 0x8007_0002;
const DENIED: u32 = 0x8007_0005;
const WRONG_STATE: u32 = 0xC00D_002B;
const NO_FUNNEL: u32 = 0xC00D_000C;
/// FunnelInfo that asks for three answers, so that the client can measure.
const THREE: u32 = 0xF0F0_F0F1;
const SIZES: [usize; 3] = [512, 512, 1056];
/// Most streams that a StreamSwitch may name.
const MOST_STREAMS: usize = 1024;

/// The result for a step, or the end of its handler.
macro_rules! result_of {
    ($session:expr, $step:expr) => {
        match $session.verdict($step) {
            Verdict::Answered(hr) => hr,
            Verdict::Done => return Flow::Go,
            Verdict::Close => return Flow::Close,
        }
    };
}

impl Session {
    pub(super) async fn handle(&mut self, message: &Message) -> Flow {
        let asked = asked(message);
        self.shared.stats.note(self.id, asked.clone());
        match asked {
            Asked::Connect(name) => self.connect(&name, message.word(8)),
            Asked::FunnelInfo(incarnation) => self.funnel_info(incarnation),
            Asked::ConnectFunnel(name) => self.connect_funnel(&name),
            Asked::OpenFile { name, token } => self.open_file(&name, &token, message.word(8)),
            Asked::SecurityResponse(token) => self.security_response(&token),
            Asked::ReadBlock(incarnation) => self.read_block(incarnation).await,
            Asked::StreamSwitch(streams) => self.stream_switch(streams),
            Asked::StartPlaying { .. } => self.start_playing(&asked),
            Asked::StopPlaying(incarnation) => self.stop_playing(incarnation),
            Asked::CloseFile => Flow::Close,
            Asked::Pong => {
                self.shared.stats.count(|c| c.pongs += 1);
                Flow::Go
            }
            _ => Flow::Go,
        }
    }

    fn connect(&mut self, name: &str, incarnation: u32) -> Flow {
        self.relay = name.starts_with("Spooooon!");
        let mut hr = result_of!(self, Step::Connect);
        if hr & FAILED == 0 && self.slot.is_none() {
            self.slot = self.shared.slot();
            if self.slot.is_none() {
                hr = TOO_MANY_SESSIONS;
            }
        }
        let scheme = self.shared.auth.as_ref().map(|auth| auth.scheme().0);
        let wanted = if incarnation == 0xF0F0_F0F0 { incarnation } else { 0xF0F0_F0EF };
        self.say(
            0x01,
            answer::connected(hr, wanted, &self.habits.mmst.version.clone(), scheme.map(str::to_owned).as_deref()),
        );
        if hr & FAILED == 0 { Flow::Go } else { Flow::Close }
    }

    fn funnel_info(&mut self, incarnation: u32) -> Flow {
        let hr = result_of!(self, Step::FunnelInfo);
        let client = self.client();
        if incarnation == THREE {
            for len in SIZES {
                self.say(0x15, answer::funnel_info(hr, incarnation, client).filled(len));
            }
        } else {
            self.say(0x15, answer::funnel_info(hr, incarnation, client));
        }
        Flow::Go
    }

    /// The number by which the client asks for datagrams.
    fn client(&self) -> u32 {
        0x0001_0000 + self.id as u32
    }

    fn connect_funnel(&mut self, name: &str) -> Flow {
        let mut hr = result_of!(self, Step::ConnectFunnel);
        let (udp, port) = funnel(name);
        let port = port.filter(|_| udp);
        if hr & FAILED == 0 && (udp && self.habits.mmst.tcp_only || port.is_none() && self.habits.mmst.udp_only) {
            hr = NO_FUNNEL;
        }
        if hr & FAILED != 0 {
            self.say(0x03, Body::words(&[hr, 0]));
            return Flow::Go;
        }
        // The old way forgets the client when it goes, which is not to hit the new one.
        self.channel = None;
        self.channel = match port {
            Some(port) => {
                let to = (self.peer.ip(), port).into();
                Some(Channel::open(self.shared.clone(), self.id, self.client(), to, self.habits.udp.clone()))
            }
            None => None,
        };
        self.say(0x02, Body::words(&[hr, 0, 0]).text("Funnel Of The Gods"));
        Flow::Go
    }

    fn open_file(&mut self, name: &str, token: &[u8], incarnation: u32) -> Flow {
        let hr = result_of!(self, Step::OpenFile);
        if hr & FAILED != 0 {
            self.say(0x06, answer::not_opened(hr, incarnation));
            return Flow::Go;
        }
        (self.play, self.opened, self.leg) = (None, None, 0);
        let Some(film) = self.shared.film(name) else {
            self.say(0x06, answer::not_opened(NOT_FOUND, incarnation));
            return Flow::Go;
        };
        self.opened = Some(Opened { film, granted: false, incarnation });
        // Credentials may come before they are asked for.
        if !token.is_empty() && self.is_right(token) {
            self.leg += 1;
        }
        self.challenge_or_open(hr);
        Flow::Go
    }

    fn security_response(&mut self, token: &[u8]) -> Flow {
        let Some(opened) = &self.opened else { return Flow::Close };
        if self.is_right(token) {
            self.leg += 1;
            self.challenge_or_open(0);
        } else {
            let refusal = answer::not_opened(DENIED, opened.incarnation);
            self.opened = None;
            self.say(0x06, refusal);
        }
        Flow::Go
    }

    fn is_right(&self, token: &[u8]) -> bool {
        let basic = self.shared.auth.as_ref().is_some_and(|auth| auth.scheme().0 == "BASIC");
        let answer = if basic { from_base64(token) } else { token.to_vec() };
        self.shared.auth.as_ref().is_none_or(|auth| auth.accepts(self.leg, &answer))
    }

    /// Asks the next question, or tells about the file if there is none.
    fn challenge_or_open(&mut self, hr: u32) {
        let Some(opened) = &mut self.opened else { return };
        let incarnation = opened.incarnation;
        if let Some((auth, question)) =
            self.shared.auth.as_ref().and_then(|auth| Some((auth, auth.question(self.leg)?)))
        {
            let is_basic = auth.scheme().0 == "BASIC";
            let token = if question.is_empty() && is_basic { wide("realm=\"films\"") } else { question.to_vec() };
            let head = Body::words(&[incarnation, self.leg as u32 + 0x100, token.len() as u32]);
            self.say(0x1A, head.put(&token));
            return;
        }
        opened.granted = true;
        let (film, live) = (opened.film.clone(), self.habits.media.live_from.is_some());
        let mut body = answer::open_file(incarnation, self.habits.mmst.open_file_id, &film, live);
        body.0[..4].copy_from_slice(&hr.to_le_bytes());
        self.say(0x06, body);
    }

    async fn read_block(&mut self, incarnation: u32) -> Flow {
        let mut hr = result_of!(self, Step::ReadBlock);
        let film = self.opened.as_ref().filter(|opened| opened.granted).map(|opened| opened.film.clone());
        if film.is_none() {
            hr = WRONG_STATE;
        }
        if self.habits.mmst.read_block_report || hr & FAILED != 0 {
            self.say(0x11, Body::words(&[hr, incarnation, 0]));
        }
        if let Some(film) = film.filter(|_| hr & FAILED == 0) {
            self.header_incarnation = incarnation;
            self.header(&film, incarnation as u8).await;
        }
        Flow::Go
    }

    fn stream_switch(&mut self, streams: Vec<(u16, u16)>) -> Flow {
        let hr = result_of!(self, Step::StreamSwitch);
        if hr & FAILED == 0 {
            let mut chosen = match self.selection.take() {
                Some(Selection::Only(chosen)) => chosen,
                _ => BTreeMap::new(),
            };
            chosen.extend(streams);
            self.selection = Some(Selection::Only(chosen));
        }
        self.say(0x21, Body::words(&[hr]));
        Flow::Go
    }

    fn start_playing(&mut self, asked: &Asked) -> Flow {
        let mut hr = result_of!(self, Step::StartPlaying);
        let Asked::StartPlaying { incarnation, .. } = *asked else { return Flow::Go };
        let film = self.opened.as_ref().filter(|opened| opened.granted).map(|opened| opened.film.clone());
        if film.is_none() {
            hr = WRONG_STATE;
        }
        self.say(0x05, answer::started(hr, incarnation, self.habits.mmst.open_file_id));
        if let Some(film) = film.filter(|_| hr & FAILED == 0) {
            self.play(film, asked);
        }
        Flow::Go
    }

    fn stop_playing(&mut self, incarnation: u32) -> Flow {
        let hr = result_of!(self, Step::StopPlaying);
        if hr & FAILED == 0 {
            self.play = None;
            self.closing = None;
        }
        self.say(0x1E, Body::words(&[hr, incarnation]));
        Flow::Go
    }
}

/// The name of a funnel: `\\address\TCP\port`; what follows the digits of the port does not count.
fn funnel(name: &str) -> (bool, Option<u16>) {
    let mut parts = name.rsplit('\\');
    let port = parts.next().unwrap_or_default();
    let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
    let udp = parts.next().is_some_and(|transport| transport.eq_ignore_ascii_case("UDP"));
    (udp, digits.parse().ok().filter(|port| *port != 0))
}

fn asked(message: &Message) -> Asked {
    match message.kind() {
        0x0003_0001 => Asked::Connect(message.text(20)),
        0x0003_0002 => Asked::ConnectFunnel(message.text(28)),
        0x0003_0005 => {
            let (at, len) = (message.word(16) as usize, message.word(20) as usize);
            let token = if at == 0 { Vec::new() } else { message.bytes(at.saturating_add(24), len) };
            Asked::OpenFile { name: message.text(24), token }
        }
        0x0003_0007 => Asked::StartPlaying {
            file: message.word(8),
            position: message.float(16),
            offset: message.word(24),
            location: message.word(28),
            frame_offset: message.word(32),
            incarnation: message.word(36),
        },
        0x0003_0009 => Asked::StopPlaying(message.word(12)),
        0x0003_000D => Asked::CloseFile,
        0x0003_0015 => Asked::ReadBlock(message.word(48)),
        0x0003_0018 => Asked::FunnelInfo(message.word(8)),
        0x0003_001A => Asked::SecurityResponse(message.bytes(20, message.word(16) as usize)),
        0x0003_001B => Asked::Pong,
        0x0003_0025 => Asked::CancelReadBlock,
        0x0003_0033 => {
            let count = (message.word(8) as usize).min(MOST_STREAMS);
            let entry = |index: usize| (message.half(14 + 6 * index), message.half(16 + 6 * index));
            Asked::StreamSwitch((0..count).map(entry).collect())
        }
        kind => Asked::Other(kind),
    }
}
