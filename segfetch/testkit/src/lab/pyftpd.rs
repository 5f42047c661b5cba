//! pyftpdlib: our own server script, its faults and its log.

use std::io;
use std::time::{Duration, SystemTime};

use super::log::{Log, Login, Parser, Session, Sessions, Tail, Transfer};
use super::{PASSWORD, Plan, Server, USER};

const SCRIPT: &str = include_str!("pyftpd.py");

/// A habit of some real server, or a cut wire.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// `FEAT` does not list `TVFS`.
    NoTvfs,
    /// Closes the data connection after this many bytes of each `RETR` and replies 426.
    DropAfter(u64),
    /// Closes the data connection after this many bytes of each `RETR` and replies 226: a short file that claims success.
    DropCleanAfter(u64),
    /// Share of transfers, 0 to 1, that the faults "after so many bytes" befall; all unless told.
    DropShare(f64),
    /// Sends this many bytes of each `RETR`, then nothing; the connection stays open.
    StallAfter(u64),
    /// Drops control and data connection after this many bytes of each `RETR`.
    KillControlAfter(u64),
    /// `REST` is answered 350, but the file comes from its first byte.
    RestIgnored,
    /// `SIZE` is off by this many bytes.
    WrongSize(i64),
    /// `SIZE` is refused with 550 in `TYPE A`.
    AsciiSize,
    /// `PASV` announces this address.
    PasvAddress(std::net::Ipv4Addr),
    /// Waits before every reply.
    Delay(Duration),
    /// 421 to every `PASS` past this many logins at a time.
    Login421(u32),
    /// `RETR` is answered 450 with this probability, 0 to 1.
    BusyShare(f64),
    /// The times of all served files are set to now, each so often.
    Mutate(Duration),
}

impl Fault {
    fn argument(self) -> String {
        match self {
            Self::NoTvfs => "--no-tvfs".to_owned(),
            Self::DropAfter(n) => format!("--drop-after={n}"),
            Self::DropCleanAfter(n) => format!("--drop-clean-after={n}"),
            Self::DropShare(share) => format!("--drop-share={share}"),
            Self::StallAfter(n) => format!("--stall-after={n}"),
            Self::KillControlAfter(n) => format!("--kill-control-after={n}"),
            Self::RestIgnored => "--rest-ignored".to_owned(),
            Self::WrongSize(by) => format!("--wrong-size={by}"),
            Self::AsciiSize => "--ascii-size".to_owned(),
            Self::PasvAddress(ip) => format!("--pasv-address={ip}"),
            Self::Delay(time) => format!("--delay={}", time.as_secs_f64()),
            Self::Login421(n) => format!("--login-421={n}"),
            Self::BusyShare(share) => format!("--busy-share={share}"),
            Self::Mutate(period) => format!("--mutate={}", period.as_secs_f64()),
        }
    }
}

pub(super) fn plan(server: &Server) -> io::Result<Plan> {
    let spec = &server.spec;
    let (script, log) = (server.work("pyftpd.py"), server.work("log"));
    std::fs::write(&script, SCRIPT)?;
    let mut command = vec![
        server.program(),
        script.display().to_string(),
        log.display().to_string(),
        spec.ip.to_string(),
        server.ports.control.to_string(),
        spec.root.display().to_string(),
        format!("--pasv={}-{}", server.ports.passive.start(), server.ports.passive.end()),
    ];
    command.extend(spec.account.then(|| format!("--user={USER}:{PASSWORD}")));
    command.extend(spec.rate.map(|rate| format!("--rate={rate}")));
    command.extend(spec.max_per_ip.map(|most| format!("--max-per-ip={most}")));
    command.extend(spec.without.iter().map(|name| format!("--without={name}")));
    command.extend(spec.faults.iter().map(|fault| fault.argument()));
    command.extend(spec.lines.iter().cloned());
    Ok(Plan {
        command,
        tail: Tail::file(&log)?,
        sessions: Sessions::Logged,
        parser: Box::new(Lines),
        authenticator: None,
    })
}

/// `1795500787.440653 3 SENT 0.25 4096 aborted /srv/f`: seconds, session, word, rest. The script's head says it too.
#[derive(Debug)]
struct Lines;

impl Parser for Lines {
    fn line(&mut self, _seen: SystemTime, line: &str, _session: &mut dyn FnMut(u32) -> u32, log: &mut Log) {
        let mut fields = line.splitn(4, ' ');
        let mut next = || fields.next().unwrap_or("");
        let (Some(at), Ok(session), word, rest) = (time(next()), next().parse(), next(), next()) else { return };
        match word {
            "CONNECT" => log.sessions.push(Session { id: session, start: at, end: None }),
            "DISCONNECT" => {
                let known = log.sessions.iter_mut().rfind(|known| known.id == session);
                known.into_iter().for_each(|known| known.end = Some(at));
            }
            "REFUSED" => log.refused += 1,
            "LOGIN" => {
                let (how, user) = rest.split_once(' ').unwrap_or((rest, ""));
                log.logins.push(Login { session, user: user.to_owned(), ok: how == "ok", at });
            }
            "COMMAND" => log.commands.push((session, rest.to_owned())),
            "SENT" => {
                let mut fields = rest.splitn(4, ' ');
                let mut next = || fields.next().unwrap_or("");
                let taken = Duration::try_from_secs_f64(next().parse().unwrap_or(0.0)).unwrap_or_default();
                let (bytes, how, path) = (next().parse().unwrap_or(0), next(), next());
                let (path, aborted) = (path.to_owned(), Some(how != "ok"));
                log.transfers.push(Transfer { session, path, start: at - taken, end: at, bytes, aborted });
            }
            _ => {}
        }
    }
}

fn time(seconds: &str) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}
