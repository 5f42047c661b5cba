//! A connection of either kind, up to the header and from a packet on.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::auth::{Exchange, Proofs, denied};
use super::config::{Config, Transport};
use super::connector::{Connected, Target};
use super::driver::{Driver, now};
use super::{ConnectionError, OpenError, Presentation};
use crate::conn::mmsh::{self, Ask};
use crate::conn::mmst::{self, Funnel};
use crate::conn::{Awaited, Error, Event, Facts, Refusal};
use crate::wire::{Blame, Scheme, Url, playlist};

/// What a link can be told to do, and what it tells.
#[derive(Debug)]
pub(super) enum Link {
    /// One connection for everything.
    Mmst(Box<Driver<mmst::Connection>>),
    /// One for each request; there is one while packets come.
    Mmsh { asked: Option<Box<Driver<mmsh::Connection>>>, known: Known },
}

/// What later requests of MMSH begin with.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    proofs: Proofs,
    /// Told by a server that wants to be asked through it. Nobody there is answered, nor is the server through it.
    proxy: Option<Target>,
}

/// What became of the attempt to open a file.
pub(super) enum Found {
    /// It is here, and comes in this way.
    Here { transport: Transport, link: Link, facts: Facts, header: Bytes },
    /// It is elsewhere.
    There(Url),
}

/// Port where a URL names none.
///
/// Spec: MMSP 2.1, WMSP 2.1
fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Mmst | Transport::Mmsu => 1755,
        Transport::Mmsh => 80,
    }
}

/// Opens a file in one way, up to its header. Where datagrams do not arrive, it is the connection that carries packets.
pub(super) async fn open(config: &Config, transport: Transport, url: &Url) -> Result<Found, OpenError> {
    match transport {
        Transport::Mmst => open_mmst(config, transport, url).await,
        Transport::Mmsu => match open_mmst(config, transport, url).await {
            Err(OpenError::Connection(ConnectionError::Dialogue(Error::TimedOut(Awaited::Header)))) => {
                open_mmst(config, Transport::Mmst, url).await
            }
            found => found,
        },
        Transport::Mmsh => {
            let mut known = Known::default();
            let (facts, header) = match request(config, url, &mut known, &Ask::Describe).await? {
                Answer::Media { facts, header, .. } => (facts, header),
                Answer::Elsewhere(url) => return Ok(Found::There(url)),
            };
            Ok(Found::Here { transport, link: Link::Mmsh { asked: None, known }, facts, header })
        }
    }
}

async fn open_mmst(config: &Config, mut transport: Transport, url: &Url) -> Result<Found, OpenError> {
    let connected = connect(config, target(url, transport)).await?;
    let datagrams = match transport {
        Transport::Mmsu => datagrams(connected.addresses).await.map_err(|error| OpenError::Connection(error.into()))?,
        _ => None,
    };
    let name = url.file_name().ok_or_else(|| OpenError::Name("the name of the file is no Unicode".to_owned()))?;
    let machine = mmst::Config::new(&config.identity(), &url.authority(), &name);
    let mut machine = machine.map_err(|error| OpenError::Name(error.to_string()))?;
    machine = machine.with_waits(config.waits).with_limits(config.limits);
    if let Some(port) = datagrams.as_ref().and_then(|socket| socket.local_addr().ok()).map(|address| address.port()) {
        machine = machine.with_funnel(Funnel::Udp { port });
    } else {
        transport = Transport::Mmst;
    }
    if let Some(acceleration) = config.acceleration {
        machine = machine.with_acceleration(acceleration);
    }
    let machine = mmst::Connection::new(now(), machine);
    let mut driver = Box::new(Driver::new(machine, connected.io, datagrams));
    let (mut facts, mut exchange) = (Facts::default(), Exchange::new(config, transport, url));
    loop {
        match driver.event().await? {
            Event::Opened(told) => facts = told,
            Event::Header(header) => {
                return Ok(Found::Here { transport, link: Link::Mmst(driver), facts, header });
            }
            Event::Challenged(challenge) => {
                let answered = driver.machine.authenticate(now(), exchange.answer(&challenge)?);
                answered.map_err(|error| OpenError::Connection(error.into()))?;
            }
            Event::Redirected(there) => return elsewhere(url, &there).map(Found::There),
            Event::UseProxy(there) => return Err(OpenError::Proxy(there)),
            Event::Refused(Refusal::Mms { reason, .. }) if reason.blame() == Some(Blame::Denied) => {
                return Err(OpenError::NotAdmitted { reason, answered: exchange.has_answered() });
            }
            // Packets on the connection are slower to lose and as good.
            Event::Refused(Refusal::Mms { awaiting: Awaited::ConnectedFunnel, .. }) if transport == Transport::Mmsu => {
                let again = driver.machine.retry_funnel(now(), Funnel::Tcp);
                again.map_err(|error| OpenError::Connection(error.into()))?;
                transport = Transport::Mmst;
            }
            Event::Refused(refusal) => return Err(OpenError::Refused(refusal)),
            _ => {}
        }
    }
}

/// What an HTTP server answers.
pub(super) enum Answer {
    /// Media, and the connection that goes on with its packets if they were asked for.
    Media { driver: Box<Driver<mmsh::Connection>>, facts: Facts, header: Bytes },
    /// A redirect, or a playlist.
    Elsewhere(Url),
}

/// Asks by HTTP, again where the server wants to know who we are or wants a proxy between.
pub(super) async fn request(config: &Config, url: &Url, known: &mut Known, ask: &Ask) -> Result<Answer, OpenError> {
    let mut exchange = Exchange::new(config, Transport::Mmsh, url);
    known.proofs.renew(&exchange);
    let mut closed_early = false;
    'connection: loop {
        let proxy = known.proxy.as_ref().or(config.proxy.as_ref());
        let target = proxy.cloned().unwrap_or_else(|| target(url, Transport::Mmsh));
        let mut machine = mmsh::Config::new(url.clone(), config.identity());
        machine.waits = config.waits;
        machine.limits = config.limits;
        machine.to_proxy = proxy.is_some();
        (machine.authorization, machine.proxy_authorization) = known.proofs.values();
        let connected = connect(config, target).await?;
        let machine = mmsh::Connection::new(now(), machine, ask.clone());
        let machine = machine.map_err(|error| OpenError::Connection(error.into()))?;
        let mut driver = Box::new(Driver::new(machine, connected.io, None));
        let (mut facts, mut answered) = (Facts::default(), false);
        loop {
            let event = match driver.event().await {
                // It was to stay open, and did not.
                Err(error) if answered && !closed_early && was_closed(&error) && known.proofs.can_move() => {
                    closed_early = true;
                    continue 'connection;
                }
                event => event?,
            };
            match event {
                Event::Opened(told) => facts = told,
                Event::Header(header) => return Ok(Answer::Media { driver, facts, header }),
                Event::Challenged(challenge) if known.proxy.is_some() => return Err(denied(&challenge)),
                Event::Challenged(challenge) => {
                    let open = driver.machine.is_answerable();
                    let value = known.proofs.answer(&mut exchange, &challenge, open)?;
                    if !open {
                        continue 'connection;
                    }
                    let sent = driver.machine.authenticate(now(), value);
                    sent.map_err(|error| OpenError::Connection(error.into()))?;
                    answered = true;
                }
                // A proxy of the configuration is there for a reason, which the server does not know.
                Event::UseProxy(there) if known.proxy.is_none() && config.proxy.is_none() => {
                    let proxy = Url::parse(&there).ok().filter(|proxy| proxy.scheme() != Scheme::Https);
                    let proxy = proxy.ok_or(OpenError::Proxy(there))?;
                    known.proxy = Some(self::target(&proxy, Transport::Mmsh));
                    known.proofs.forget();
                    continue 'connection;
                }
                Event::UseProxy(there) => return Err(OpenError::Proxy(there)),
                Event::Redirected(there) => return elsewhere(url, &there).map(Answer::Elsewhere),
                Event::Refused(Refusal::NotMms { content_type, body }) => {
                    return match playlist(&body).ok().and_then(|urls| urls.into_iter().next()) {
                        Some(there) => elsewhere(url, &there).map(Answer::Elsewhere),
                        None => Err(OpenError::Refused(Refusal::NotMms { content_type, body })),
                    };
                }
                Event::Refused(refusal) => return Err(OpenError::Refused(refusal)),
                _ => {}
            }
        }
    }
}

impl Link {
    /// Asks for the packets from `from` on. Whether it is they that come, the packets tell.
    pub(super) async fn play(
        &mut self,
        config: &Config,
        presentation: &Presentation,
        from: u32,
        form: Form,
    ) -> Result<(), OpenError> {
        match self {
            Self::Mmst(driver) => {
                let form = if form == Form::Second { mmst::SeekForm::Spec } else { mmst::SeekForm::Wild };
                let failed = |error: Error| OpenError::Connection(error.into());
                driver.machine.select(now(), &presentation.streams).map_err(failed)?;
                while let Some(event) = driver.event_unless(mmst::Connection::is_ready).await? {
                    if let Event::Refused(refusal) = event {
                        return Err(OpenError::Refused(refusal));
                    }
                }
                driver.machine.play(now(), from, form).map_err(failed)
            }
            Self::Mmsh { asked, known } => {
                *asked = None;
                let form = match form {
                    Form::First => mmsh::SeekForm::Both,
                    Form::Second => mmsh::SeekForm::OffsetOnly,
                    Form::Third => mmsh::SeekForm::PacketOnly,
                };
                let stream_offset = presentation.header.packet_offset(from.into());
                let ask = Ask::Play { from, stream_offset, streams: presentation.streams.clone(), form };
                match request(config, &presentation.url, known, &ask).await? {
                    Answer::Media { driver, header, .. } => {
                        if !presentation.is_begun_by(&header) {
                            return Err(OpenError::Changed("it has another header"));
                        }
                        *asked = Some(driver);
                        Ok(())
                    }
                    Answer::Elsewhere(url) => Err(OpenError::Elsewhere(url.to_string())),
                }
            }
        }
    }

    pub(super) async fn event(&mut self) -> Result<Event, ConnectionError> {
        match self {
            Self::Mmst(driver) => driver.event().await,
            Self::Mmsh { asked: Some(driver), .. } => driver.event().await,
            Self::Mmsh { asked: None, .. } => Err(ConnectionError::Dialogue(Error::Misuse("nothing was asked for"))),
        }
    }

    /// Whether packets came of which nothing says that they are those that were asked for.
    pub(super) fn has_passed_over(&self) -> bool {
        matches!(self, Self::Mmst(driver) if driver.machine.has_passed_over())
    }

    /// Ends what was asked for, so that something else can be. False if the link is of no more use.
    pub(super) async fn stop(&mut self) -> bool {
        match self {
            Self::Mmst(driver) => {
                if driver.machine.is_streaming() && driver.machine.stop(now()).is_err() {
                    return false;
                }
                loop {
                    match driver.event_unless(mmst::Connection::is_ready).await {
                        Ok(Some(_)) => {}
                        Ok(None) => return true,
                        Err(_) => return false,
                    }
                }
            }
            Self::Mmsh { asked, .. } => {
                *asked = None;
                true
            }
        }
    }

    /// Whether packets come, or are about to.
    pub(super) fn is_streaming(&self) -> bool {
        match self {
            Self::Mmst(driver) => driver.machine.is_streaming(),
            Self::Mmsh { asked, .. } => asked.is_some(),
        }
    }

    /// Says goodbye.
    pub(super) async fn close(&mut self) {
        if let Self::Mmst(driver) = self {
            driver.machine.close(now());
            driver.finish().await;
        }
    }

    /// Ways to say where to begin, the most usual first.
    pub(super) fn forms(&self) -> &'static [Form] {
        match self {
            Self::Mmst(_) => &[Form::First, Form::Second],
            Self::Mmsh { .. } => &[Form::First, Form::Second, Form::Third],
        }
    }
}

/// One of the ways to say where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    First,
    Second,
    Third,
}

fn target(url: &Url, transport: Transport) -> Target {
    Target { host: url.host().unbracketed(), port: url.port().unwrap_or(default_port(transport)) }
}

async fn connect(config: &Config, target: Target) -> Result<Connected, OpenError> {
    let text = target.to_string();
    match timeout(config.connect, config.connector.connect(target)).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(OpenError::ConnectTimedOut { target: text, within: config.connect }),
    }
}

/// A socket that hears the server alone, and sends to the port that the connection goes to.
///
/// Spec: MMSP 2.1
async fn datagrams(addresses: Option<(SocketAddr, SocketAddr)>) -> std::io::Result<Option<UdpSocket>> {
    let Some((ours, theirs)) = addresses else { return Ok(None) };
    let socket = UdpSocket::bind((ours.ip(), 0)).await?;
    socket.connect(theirs).await?;
    Ok(Some(socket))
}

/// The connection ended before it brought anything.
fn was_closed(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Io(_) | ConnectionError::Dialogue(Error::Closed(Awaited::Response)))
}

fn elsewhere(url: &Url, there: &str) -> Result<Url, OpenError> {
    let found = url.join(there).map_err(|_| OpenError::Elsewhere(there.to_owned()))?;
    // TLS is not spoken here, and a downgrade would be none of ours to decide.
    if found.scheme() == Scheme::Https { Err(OpenError::Elsewhere(there.to_owned())) } else { Ok(found) }
}
