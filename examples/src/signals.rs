//! Ctrl-C and SIGTERM: the first one asks for an orderly stop, the second one ends the process.

use std::io;

use tokio::sync::watch;

use crate::exit::Exit;

/// What was asked for; `None` until then.
pub(crate) type Stop = watch::Receiver<Option<Exit>>;

/// Begins to listen. From now on the first signal does not end the process.
///
/// # Errors
/// If the system lets no handler be installed.
pub(crate) fn listen() -> io::Result<Stop> {
    let (sender, stop) = watch::channel(None);
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        sender.send_replace(Some(signals.next().await));
        let second = signals.next().await;
        // Not a return through `main`: a terminal or a disk that does not answer may be what the user wants to leave.
        std::process::exit(second.code().into());
    });
    Ok(stop)
}

/// Waits until the user asks to stop; for ever if nobody can ask any more.
pub(crate) async fn asked(mut stop: Stop) -> Exit {
    let asked = stop.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
    match asked {
        Some(exit) => exit,
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Exit {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Exit::Interrupted
    }
}
