//! A gate before the embedded server: it lets a request through whose user it knows, and asks all others who they are. What is proved it
//! computes by itself; that it does so rightly, curl shows in the interop tests.

pub(crate) mod digest;
pub(crate) mod mms;
pub(crate) mod ntlm;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const USER: &str = "User";
pub(crate) const DOMAIN: &str = "Domain";
pub(crate) const PASSWORD: &str = "se:cret\"\\";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    /// The parameters beside realm and nonce.
    Digest(&'static str),
    /// The name, and whether the server tells its time.
    Ntlm(&'static str, bool),
}

/// What a gate is to do.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) schemes: Vec<Scheme>,
    /// 407 instead of 401.
    pub(crate) proxy: bool,
    /// Answers `stale=true` to this many right answers.
    pub(crate) stale: u32,
    /// Lets nobody in.
    pub(crate) closed: bool,
    /// Says that the connection stays, and closes it.
    pub(crate) hangs_up: bool,
    /// Says that the connection closes, always.
    pub(crate) always_closes: bool,
    /// Plays the server of NTLM instead.
    pub(crate) helper: Option<fn() -> std::process::Command>,
}

impl Habits {
    pub(crate) fn of(schemes: &[Scheme]) -> Self {
        let schemes = schemes.to_vec();
        Self { schemes, proxy: false, stale: 0, closed: false, hangs_up: false, always_closes: false, helper: None }
    }
}

#[derive(Debug)]
struct Shared {
    habits: Habits,
    upstream: SocketAddr,
    stale: AtomicU32,
    connections: AtomicU32,
    answers: Mutex<Vec<String>>,
}

/// The gate; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gate {
    pub(crate) async fn before(upstream: SocketAddr, habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stale, answers) = (AtomicU32::new(habits.stale), Mutex::default());
        let shared = Arc::new(Shared { habits, upstream, stale, connections: AtomicU32::new(0), answers });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(io, serving.clone()));
            }
        });
        Self { addr, shared, task }
    }

    /// Every value of `Authorization` or `Proxy-Authorization` that came.
    pub(crate) fn answers(&self) -> Vec<String> {
        self.shared.answers.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut io: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let habits = &shared.habits;
    let (asks, proves) = match habits.proxy {
        true => ("407 Proxy Authentication Required\r\nProxy-Authenticate: ", "proxy-authorization"),
        false => ("401 Unauthorized\r\nWWW-Authenticate: ", "authorization"),
    };
    let mut ntlm = ntlm::Server::default();
    ntlm.helper = habits.helper.map(|command| ntlm::Helper::start(command()));
    while let Some(head) = head(&mut io).await? {
        let value = header(&head, proves);
        shared.answers.lock().unwrap().extend(value.clone());
        let said = match &value {
            Some(value) => judge(value, &head, &mut ntlm, &shared),
            None => Err(String::new()),
        };
        let Err(said) = said else {
            return pass(io, &head, proves, shared.upstream).await;
        };
        let stays = header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive"))
            || head.contains("HTTP/1.1");
        let stays = stays && !habits.always_closes;
        let offers: Vec<String> = if said.is_empty() {
            let offer = |scheme: &Scheme| match scheme {
                Scheme::Basic => "Basic realm=\"films, and more\"".to_owned(),
                Scheme::Digest(more) => digest::offer(more, false),
                Scheme::Ntlm(name, _) => (*name).to_owned(),
            };
            habits.schemes.iter().map(offer).collect()
        } else {
            vec![said]
        };
        let name = asks.split_once("\r\n").unwrap().1;
        let answer = format!(
            "HTTP/1.1 {asks}{}\r\nContent-Length: 5\r\nConnection: {}\r\n\r\nsorry",
            offers.join(&format!("\r\n{name}")),
            if stays { "keep-alive" } else { "close" },
        );
        io.write_all(answer.as_bytes()).await?;
        if !stays || habits.hangs_up {
            return io.shutdown().await;
        }
    }
    Ok(())
}

/// `Err`: who it is, is not known; with the only offer that is made now, or with all if there is none.
fn judge(value: &str, head: &str, ntlm: &mut ntlm::Server, shared: &Shared) -> Result<(), String> {
    let (name, rest) = value.split_once(' ').ok_or("")?;
    let is_asked = |scheme: &&Scheme| match scheme {
        Scheme::Basic => name == "Basic",
        Scheme::Digest(_) => name == "Digest",
        Scheme::Ntlm(asked, _) => name == *asked,
    };
    let right = match shared.habits.schemes.iter().find(is_asked).ok_or("")? {
        Scheme::Basic => STANDARD.decode(rest).is_ok_and(|given| given == format!("{USER}:{PASSWORD}").as_bytes()),
        Scheme::Digest(more) => {
            let right = digest::is_right(rest, head, more);
            let late = |left: u32| left.checked_sub(1);
            if right && shared.stale.fetch_update(Ordering::SeqCst, Ordering::SeqCst, late).is_ok() {
                return Err(digest::offer(more, true));
            }
            right
        }
        Scheme::Ntlm(_, time) => {
            let message = STANDARD.decode(rest).map_err(|_| "")?;
            match ntlm.hear(&message, *time) {
                ntlm::Said::Challenge(challenge) => return Err(format!("{name} {}", STANDARD.encode(challenge))),
                ntlm::Said::Verdict(verdict) => verdict.is_ok(),
            }
        }
    };
    if right && !shared.habits.closed { Ok(()) } else { Err(String::new()) }
}

/// A whole head without a body.
async fn head(io: &mut TcpStream) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(String::from_utf8(bytes).unwrap()))
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(has, _)| has.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// Gives a request to the server behind, and what it answers to the client.
async fn pass(mut io: TcpStream, head: &str, proves: &str, upstream: SocketAddr) -> io::Result<()> {
    let mut behind = TcpStream::connect(upstream).await?;
    let is_ours = |line: &&str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case(proves));
    let kept: Vec<&str> = head.lines().filter(|line| !is_ours(line)).collect();
    // The last line is empty.
    behind.write_all(format!("{}\r\n", kept.join("\r\n")).as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut io, &mut behind).await?;
    Ok(())
}
