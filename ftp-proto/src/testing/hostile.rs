//! A server that plays scripts.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::player::Player;
use super::{Script, ScriptError, Transcript, lock};

/// A server whose control connections play scripts. It stops when it is dropped.
#[derive(Debug)]
pub struct HostileServer {
    addr: SocketAddr,
    runs: watch::Sender<Vec<Run>>,
    _tasks: JoinSet<()>,
}

/// One control connection.
#[derive(Debug, Default)]
struct Run {
    transcript: Arc<Mutex<Transcript>>,
    outcome: Option<Result<(), ScriptError>>,
}

impl HostileServer {
    /// Starts on `127.0.0.1`, a free port and the current runtime. The n-th control connection plays the n-th script; the last
    /// script is played again for all that follow.
    ///
    /// # Errors
    ///
    /// No socket can be bound.
    ///
    /// # Panics
    ///
    /// Without a script, and outside of a tokio runtime.
    pub fn start(scripts: impl IntoIterator<Item = Script>) -> io::Result<HostileServer> {
        HostileServer::bind((Ipv4Addr::LOCALHOST, 0).into(), scripts)
    }

    /// [`HostileServer::start`] on `[::1]`.
    ///
    /// # Errors
    ///
    /// No socket can be bound.
    pub fn start_ipv6(scripts: impl IntoIterator<Item = Script>) -> io::Result<HostileServer> {
        HostileServer::bind((Ipv6Addr::LOCALHOST, 0).into(), scripts)
    }

    /// [`HostileServer::start`] on this address.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub fn bind(addr: SocketAddr, scripts: impl IntoIterator<Item = Script>) -> io::Result<HostileServer> {
        let scripts: Vec<Arc<Script>> = scripts.into_iter().map(Arc::new).collect();
        assert!(!scripts.is_empty(), "a server needs a script");
        let listener = super::server::listen(addr, None)?;
        let addr = listener.local_addr()?;
        let runs = watch::Sender::new(Vec::new());
        let mut tasks = JoinSet::new();
        tasks.spawn_on(accept(listener, scripts, runs.clone()), &Handle::current());
        Ok(HostileServer { addr, runs, _tasks: tasks })
    }

    /// The address of the control port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The `ftp://` URL of a path, which must need no escapes.
    pub fn url(&self, path: &str) -> String {
        format!("ftp://{}/{}", self.addr, path.trim_start_matches('/'))
    }

    /// Control connections accepted so far.
    pub fn connections(&self) -> usize {
        self.runs.borrow().len()
    }

    /// Control connections whose script has not ended.
    pub fn open(&self) -> usize {
        self.runs.borrow().iter().filter(|run| run.outcome.is_none()).count()
    }

    /// What the n-th connection (1 is the first) has received so far; nothing if there was none.
    pub fn transcript(&self, n: usize) -> Transcript {
        let runs = self.runs.borrow();
        n.checked_sub(1).and_then(|index| runs.get(index)).map(|run| lock(&run.transcript).clone()).unwrap_or_default()
    }

    /// Waits until the n-th connection (1 is the first) has come and its script has ended.
    ///
    /// # Errors
    ///
    /// The client did not send what the script expects, or was gone too early.
    pub async fn finished(&self, n: usize) -> Result<Transcript, ScriptError> {
        let outcome = |runs: &Vec<Run>| runs.get(n.checked_sub(1)?)?.outcome.clone();
        let mut runs = self.runs.subscribe();
        let ended = runs.wait_for(|runs| outcome(runs).is_some()).await.map(|runs| outcome(&runs));
        match ended {
            Ok(Some(Err(error))) => Err(error),
            _ => Ok(self.transcript(n)),
        }
    }
}

async fn accept(listener: TcpListener, scripts: Vec<Arc<Script>>, runs: watch::Sender<Vec<Run>>) {
    let mut sessions = JoinSet::new();
    while let Ok((io, _)) = listener.accept().await {
        while sessions.try_join_next().is_some() {}
        let run = Run::default();
        let transcript = run.transcript.clone();
        let mut index = 0;
        runs.send_modify(|runs| {
            index = runs.len();
            runs.push(run);
        });
        let script = scripts[index.min(scripts.len() - 1)].clone();
        let runs = runs.clone();
        sessions.spawn(async move {
            let outcome = play(&script, io, transcript).await;
            runs.send_modify(|runs| runs[index].outcome = Some(outcome));
        });
    }
}

async fn play(script: &Script, io: TcpStream, transcript: Arc<Mutex<Transcript>>) -> Result<(), ScriptError> {
    let prepared = io.set_nodelay(true).and_then(|()| io.local_addr());
    // The client is gone before the first step.
    let Ok(addr) = prepared else { return Ok(()) };
    let reset = |io: &TcpStream| drop(io.set_zero_linger());
    Player::new(script, io, reset, addr.ip(), transcript).play().await
}
