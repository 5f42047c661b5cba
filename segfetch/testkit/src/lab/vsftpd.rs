//! vsftpd: configuration and log.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use super::log::{Log, Login, Parser, Session, Sessions, Tail, Transfer};
use super::{PASSWORD, Plan, Server};

pub(super) fn plan(server: &Server) -> io::Result<Plan> {
    let spec = &server.spec;
    let (empty, passwords, log, config) =
        (server.work("empty"), server.work("passwords"), server.work("log"), server.work("conf"));
    std::fs::create_dir_all(&empty)?;
    std::fs::write(&passwords, format!("{PASSWORD}\n"))?;
    let listen = match spec.ip {
        IpAddr::V4(ip) => format!("listen=YES\nlisten_ipv6=NO\nlisten_address={ip}"),
        IpAddr::V6(ip) => format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={ip}"),
    };
    let yes = |on: bool| if on { "YES" } else { "NO" };
    // Anonymous sessions run as `daemon`: a user of every Debian, and, unlike `nobody`, with a home directory that exists, which vsftpd
    // enters before it goes to the root. Its sandboxes are off: the system call filter kills sessions on new kernels.
    let mut text = format!(
        "background=NO\nlisten_port={port}\n{listen}\npasv_min_port={first}\npasv_max_port={last}\n\
         anonymous_enable=YES\nlocal_enable=NO\nftp_username=daemon\nanon_root={root}\nanon_world_readable_only=NO\n\
         no_anon_password={open}\nsecure_email_list_enable={closed}\nemail_password_file={passwords}\n\
         secure_chroot_dir={empty}\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nallow_writeable_chroot=YES\n\
         connect_from_port_20=NO\nuse_localtime=NO\ndelay_failed_login=0\ndelay_successful_login=0\n\
         anon_max_rate={rate}\nmax_per_ip={per_ip}\nmax_clients=0\n\
         log_ftp_protocol=YES\nxferlog_enable=YES\nsyslog_enable=NO\nvsftpd_log_file={log}\n",
        port = server.ports.control,
        first = server.ports.passive.start(),
        last = server.ports.passive.end(),
        root = spec.root.display(),
        open = yes(!spec.account),
        closed = yes(spec.account),
        passwords = passwords.display(),
        empty = empty.display(),
        rate = spec.rate.unwrap_or(0),
        per_ip = spec.max_per_ip.unwrap_or(0),
        log = log.display(),
    );
    if !spec.without.is_empty() {
        text += &format!("cmds_denied={}\n", spec.without.join(","));
    }
    spec.lines.iter().for_each(|line| text = format!("{text}{line}\n"));
    std::fs::write(&config, text)?;
    Ok(Plan {
        command: vec![server.program(), config.display().to_string()],
        tail: Tail::fifo(&log)?,
        sessions: Sessions::Children,
        parser: Box::<Lines>::default(),
        authenticator: None,
    })
}

/// `Tue Nov 24 06:13:06 2026 [pid 10712] [daemon] OK DOWNLOAD: Client "127.0.0.1", "/f", 3 bytes, 5.54Kbyte/sec`
#[derive(Debug, Default)]
struct Lines {
    /// When the server said 150, by session: only then is a failed download one that had begun.
    began: HashMap<u32, SystemTime>,
}

impl Parser for Lines {
    fn line(&mut self, at: SystemTime, line: &str, session: &mut dyn FnMut(u32) -> u32, log: &mut Log) {
        let Some((_, rest)) = line.split_once(" [pid ") else { return };
        let Some((pid, rest)) = rest.split_once("] ") else { return };
        let session = session(pid.parse().unwrap_or(0));
        let (user, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((user, rest)) => (user, rest),
            None => ("", rest),
        };
        let Some((what, rest)) = rest.split_once(": Client \"") else { return };
        let said = rest.split_once("\", \"").map_or("", |(_, said)| said);
        match what {
            "CONNECT" if said.contains("too many sessions") => log.refused += 1,
            "OK LOGIN" | "FAIL LOGIN" => {
                log.logins.push(Login { session, user: user.to_owned(), ok: what.starts_with("OK"), at });
                // A session shorter than the look at the children: its process has written this line.
                if !log.sessions.iter().any(|known| known.id == session) {
                    log.sessions.push(Session { id: session, start: at, end: None });
                }
            }
            "FTP command" => log.commands.push((session, said.trim_end_matches('"').to_owned())),
            "FTP response" if said.starts_with("150 ") => _ = self.began.insert(session, at),
            "OK DOWNLOAD" | "FAIL DOWNLOAD" => {
                let Some(start) = self.began.remove(&session) else { return };
                let (path, numbers) = said.rsplit_once("\", ").unwrap_or((said, ""));
                // A download of nothing is logged without a number.
                let bytes = numbers.split_once(" bytes").and_then(|(bytes, _)| bytes.parse().ok()).unwrap_or(0);
                let aborted = Some(what.starts_with("FAIL"));
                log.transfers.push(Transfer { session, path: path.to_owned(), start, end: at, bytes, aborted });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_as_vsftpd_3_0_3_writes_it_is_understood() {
        let text = r#"Tue Nov 24 06:13:06 2026 [pid 11] CONNECT: Client "127.0.0.1"
Tue Nov 24 06:13:06 2026 [pid 11] FTP response: Client "127.0.0.1", "220 (vsFTPd 3.0.3)"
Tue Nov 24 06:13:06 2026 [pid 10] [daemon] OK LOGIN: Client "127.0.0.1", anon password "a"
Tue Nov 24 06:13:06 2026 [pid 12] [daemon] FTP command: Client "127.0.0.1", "RETR /a "b".bin"
Tue Nov 24 06:13:06 2026 [pid 12] [daemon] FTP response: Client "127.0.0.1", "150 Opening BINARY mode data connection for x (200 bytes)."
Tue Nov 24 06:13:07 2026 [pid 12] [daemon] FTP response: Client "127.0.0.1", "426 Failure writing network stream."
Tue Nov 24 06:13:07 2026 [pid 12] [daemon] FAIL DOWNLOAD: Client "127.0.0.1", "/a "b".bin", 1048576 bytes, 1945.24Kbyte/sec
Tue Nov 24 06:13:07 2026 [pid 12] [daemon] FAIL DOWNLOAD: Client "127.0.0.1", "/missing", 0.00Kbyte/sec
Tue Nov 24 06:13:07 2026 [pid 16] [anonymous] FAIL LOGIN: Client "127.0.0.1"
Tue Nov 24 06:13:07 2026 [pid 19] CONNECT: Client "127.0.0.1", "Connection refused: too many sessions for this address."
"#;
        let (mut lines, mut log) = (Lines::default(), Log::default());
        for line in text.lines() {
            lines.line(SystemTime::UNIX_EPOCH, line, &mut |pid| pid / 5 * 5, &mut log);
        }
        let at = SystemTime::UNIX_EPOCH;
        assert_eq!(log.logins[0], Login { session: 10, user: "daemon".into(), ok: true, at });
        assert!(!log.logins[1].ok);
        assert_eq!(log.commands, [(10, "RETR /a \"b\".bin".to_owned())]);
        let transfer = Transfer {
            session: 10,
            path: "/a \"b\".bin".into(),
            start: at,
            end: at,
            bytes: 1_048_576,
            aborted: Some(true),
        };
        assert_eq!(log.transfers, [transfer]);
        assert_eq!(log.refused, 1);
    }
}
