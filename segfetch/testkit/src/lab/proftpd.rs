//! proftpd: configuration and log.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use super::log::{Log, Login, Parser, Session, Sessions, Tail, Transfer};
use super::{Plan, Server, USER};
use crate::servers_root;

/// `openssl passwd -6 -salt segfetchkit` of [`super::PASSWORD`].
const HASH: &str =
    "$6$segfetchkit$whhIp1PbaQujdXOX7vBac64DOuExOpivTWmMhdsfDGn95P5nBzU10fNQwcm2G1zwmWlESSIOkNo72pVLi8aRl1";
/// Between the fields of a log line: unlikely in a file name.
const BETWEEN: &str = "<|>";

pub(super) fn plan(server: &Server) -> io::Result<Plan> {
    let spec = &server.spec;
    let (users, log, config) = (server.work("users"), server.work("log"), server.work("conf"));
    let root = spec.root.display();
    std::fs::write(&users, format!("{USER}:{HASH}:65534:65534::{root}:/bin/false\n"))?;
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o600))?;
    let work = server.work.path().display();
    let fields = [
        "%{epoch}",
        "%{microsecs}",
        "%P",
        "%s",
        "%b",
        "%{transfer-status}",
        "%{transfer-millisecs}",
        "%u",
        "%m",
        "%f",
        "%r",
        "%S",
    ];
    let mut limits = String::new();
    spec.max_per_ip.iter().for_each(|most| limits += &format!("MaxClientsPerHost {most}\n"));
    spec.rate.iter().for_each(|rate| limits += &format!("TransferRate RETR {:.3}\n", *rate as f64 / 1024.0));
    spec.without.iter().for_each(|name| limits += &format!("<Limit {name}>\nDenyAll\n</Limit>\n"));
    let who = if spec.account {
        format!(
            "AuthOrder mod_auth_file.c\nAuthUserFile {users}\nDefaultRoot {root}\n{limits}",
            users = users.display()
        )
    } else {
        format!(
            "AuthOrder mod_auth_unix.c\n<Anonymous {root}>\nUser nobody\nGroup nogroup\nUserAlias anonymous nobody\n\
             UserAlias ftp nobody\nRequireValidShell off\n<Limit WRITE>\nDenyAll\n</Limit>\n{limits}</Anonymous>\n"
        )
    };
    let text = format!(
        "ModulePath {modules}\nServerName testkit\nServerType standalone\nDefaultAddress {ip}\nSocketBindTight on\nPort {port}\n\
         PassivePorts {first} {last}\nUseIPv6 on\nUseReverseDNS off\nUser nobody\nGroup nogroup\nRequireValidShell off\n\
         UseFtpUsers off\nDelayEngine off\nMaxInstances 200\nMaxLoginAttempts 10\nAllowRetrieveRestart on\nWtmpLog off\n\
         TransferLog none\nScoreboardFile {work}/scoreboard\nPidFile {work}/pid\nSystemLog {work}/system-log\n\
         LogFormat kit \"{format}\"\nExtendedLog {log} ALL,EXIT kit\n{who}{lines}\n",
        modules = servers_root().join("usr/lib/proftpd").display(),
        ip = spec.ip,
        port = server.ports.control,
        first = server.ports.passive.start(),
        last = server.ports.passive.end(),
        format = fields.join(BETWEEN),
        log = log.display(),
        lines = spec.lines.join("\n"),
    );
    std::fs::write(&config, text)?;
    let command = vec![server.program(), "-n".into(), "-q".into(), "-c".into(), config.display().to_string()];
    Ok(Plan {
        command,
        tail: Tail::file(&log)?,
        sessions: Sessions::Children,
        parser: Box::new(Lines),
        authenticator: None,
    })
}

/// The fields of [`plan`], a line when a command is done; `-` or nothing where there is nothing to say.
#[derive(Debug)]
struct Lines;

impl Parser for Lines {
    fn line(&mut self, _seen: SystemTime, line: &str, session: &mut dyn FnMut(u32) -> u32, log: &mut Log) {
        let fields: Vec<&str> = line.split(BETWEEN).collect();
        let [epoch, micros, pid, code, bytes, status, millis, user, verb, path, command, said] = fields[..] else {
            return;
        };
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(number(epoch)) + Duration::from_micros(number(micros));
        let session = session(u32::try_from(number(pid)).unwrap_or(0));
        if !log.sessions.iter().any(|known| known.id == session) {
            // It was over before anybody looked at the children of the server.
            log.sessions.push(Session { id: session, start: at, end: None });
        }
        if verb == "EXIT" {
            let known = log.sessions.iter_mut().rfind(|known| known.id == session);
            known.into_iter().for_each(|known| known.end = Some(at));
        }
        if verb.is_empty() || verb == "EXIT" {
            return;
        }
        log.commands.push((session, command.to_owned()));
        match verb {
            "PASS" if said.contains("maximum number") => log.refused += 1,
            "PASS" => log.logins.push(Login { session, user: user.to_owned(), ok: code.starts_with('2'), at }),
            // Without a status no data connection was made.
            "RETR" if status != "-" && bytes != "-" => log.transfers.push(Transfer {
                session,
                path: path.to_owned(),
                start: at - Duration::from_millis(number(millis)),
                end: at,
                bytes: number(bytes),
                aborted: Some(status != "success"),
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_as_proftpd_1_3_8_writes_it_is_understood() {
        let text = "1795500787<|>440945<|>7<|>331<|>-<|>-<|>-<|>-<|>USER<|>-<|>USER anonymous<|>Anonymous login ok\n\
            1795500787<|>441768<|>7<|>230<|>-<|>-<|>-<|>nobody<|>PASS<|>-<|>PASS (hidden)<|>Anonymous access granted\n\
            1795500787<|>956640<|>7<|>426<|>1032192<|>failed<|>505<|>nobody<|>RETR<|>/r/f.bin<|>RETR /f.bin<|>Transfer aborted\n\
            1795500788<|>000000<|>8<|>530<|>-<|>-<|>-<|>nobody<|>PASS<|>-<|>PASS (hidden)<|>Sorry, the maximum number of clients (2)\n";
        let mut log = Log::default();
        for line in text.lines() {
            Lines.line(SystemTime::UNIX_EPOCH, line, &mut |pid| pid, &mut log);
        }
        assert_eq!((log.logins_granted(), log.refused, log.commands.len()), (1, 1, 4));
        let [transfer] = &log.transfers[..] else { panic!("{log:?}") };
        assert_eq!((transfer.bytes, transfer.aborted, transfer.path.as_str()), (1_032_192, Some(true), "/r/f.bin"));
        assert_eq!(transfer.end.duration_since(transfer.start).unwrap(), Duration::from_millis(505));
    }
}
