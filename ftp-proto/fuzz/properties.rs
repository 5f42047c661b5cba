//! What must hold for any input. The fuzz targets run these on what they invent, `tests/it` on the corpus.

use bytes::{Bytes, BytesMut};
use ftp_proto::wire::{
    self, Code, Command, EntryType, Facts, Path, Reply, ReplyError, ReplyLimits, ReplyReader, Timestamp, Url, epsv,
    epsv_protocols, feat, mdtm, pasv, pwd257, ready_in, reply_hints_limit, reply_hints_transient, size,
};
use std::fmt::Write;

/// All that a reader says of a stream: replies, whether it then waits for silence, and its last word at the end.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) replies: Vec<Reply>,
    pub(crate) waits_for_silence: bool,
    pub(crate) end: Result<Option<Reply>, ReplyError>,
}

/// Reads a stream that arrives in these pieces.
pub(crate) fn trace<'a>(limits: ReplyLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Trace {
    let mut reader = ReplyReader::new(limits);
    let mut buf = BytesMut::new();
    let mut replies = Vec::new();
    let mut fed = 0;
    for piece in pieces {
        buf.extend_from_slice(piece);
        fed += piece.len();
        loop {
            let decoded = reader.decode(&mut buf);
            assert_eq!(reader.offset(), (fed - buf.len()) as u64, "taken and counted bytes differ");
            match decoded {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break assert!(buf.is_empty(), "waits for more, but left some"),
                Err(error) => {
                    assert_eq!(reader.decode(&mut buf), Err(error.clone()), "the first error is not the last");
                    assert_eq!(reader.on_eof(), Err(error.clone()), "the first error is not the last");
                    return Trace { replies, waits_for_silence: false, end: Err(error) };
                }
            }
        }
    }
    let waits_for_silence = reader.may_end_on_silence();
    Trace { replies, waits_for_silence, end: reader.on_eof() }
}

/// A reply as a strict server would send it.
pub(crate) fn encode(reply: &Reply) -> Vec<u8> {
    let mut encoded = Vec::new();
    let count = reply.lines.len();
    for (index, line) in reply.lines.iter().enumerate() {
        if index + 1 == count {
            encoded.extend_from_slice(format!("{} ", reply.code).as_bytes());
        } else if index == 0 {
            encoded.extend_from_slice(format!("{}-", reply.opening.unwrap_or(reply.code)).as_bytes());
        }
        for &byte in line {
            encoded.push(byte);
            match byte {
                b'\r' => encoded.push(0),
                0xFF => encoded.push(0xFF),
                _ => {}
            }
        }
        encoded.extend_from_slice(b"\r\n");
    }
    encoded
}

/// Any cut gives the same trace; text is never longer than what came; a reply survives being sent again.
pub(crate) fn replies(data: &[u8]) {
    let small = ReplyLimits { line: 24, reply: 64, lines: 4 };
    for limits in [ReplyLimits::default(), small] {
        let whole = trace(limits, [data]);
        assert_eq!(whole, trace(limits, data.chunks(1)), "cut into bytes");
        let middle = data.first().map_or(0, |&byte| usize::from(byte) % data.len());
        assert_eq!(whole, trace(limits, [&data[..middle], &data[middle..]]), "cut at {middle}");

        let replies = || whole.replies.iter().chain(whole.end.as_ref().ok().and_then(Option::as_ref));
        let text: usize = replies().flat_map(|reply| &reply.lines).map(Bytes::len).sum();
        assert!(text <= data.len(), "more text than input");
        for reply in replies() {
            assert!(reply.lines.len() <= limits.lines);
            assert!(reply.lines.iter().all(|line| !line.contains(&b'\n') && !line.contains(&0)));
            let unlimited = ReplyLimits { line: usize::MAX, reply: usize::MAX, lines: usize::MAX };
            let again = trace(unlimited, [encode(reply).as_slice()]);
            let again = again.replies.into_iter().next().or_else(|| again.end.expect("a reply"));
            assert_eq!(again.as_ref(), Some(reply), "sent again");
            let _ = (reply.lossy(), reply.to_string(), reply.inner().count(), reply.class());
        }
    }
}

/// An address is six numbers of the text, a port one of them, and both are read again from their canonical form.
pub(crate) fn pasv_epsv(data: &[u8]) {
    let lines = data.split(|&byte| byte == b'\n').map(numbers);
    if let Ok(address) = pasv(&reply_of(227, data)) {
        assert_ne!(address.port(), 0);
        let [a, b, c, d] = address.ip().octets();
        let [high, low] = address.port().to_be_bytes();
        let six = [a, b, c, d, high, low].map(u128::from);
        assert!(lines.clone().any(|line| line.windows(6).any(|run| run == six)), "invented {address}");
        let canonical = format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low}).");
        assert_eq!(pasv(&reply_of(227, canonical.as_bytes())), Ok(address));
    }
    if let Ok(port) = epsv(&reply_of(229, data)) {
        assert!(lines.clone().any(|line| line.contains(&port.get().into())), "invented {port}");
        let canonical = format!("Entering Extended Passive Mode (|||{port}|)");
        assert_eq!(epsv(&reply_of(229, canonical.as_bytes())), Ok(port));
    }
    let _ = epsv_protocols(&reply_of(522, data));
}

/// All runs of digits; those that are too long for anything are a number that nothing is.
fn numbers(line: &[u8]) -> Vec<u128> {
    let runs = line.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty());
    runs.map(|run| str::from_utf8(run).expect("digits").parse().unwrap_or(u128::MAX)).collect()
}

/// Facts, features, sizes, times and paths survive being sent again.
pub(crate) fn mlst(data: &[u8]) {
    if let Ok(facts) = wire::mlst(&reply_of(250, data)) {
        let sent = reply_of(250, data);
        let sent = sent.inner().next().unwrap_or(sent.first());
        let before = sent.strip_suffix(&facts.path[..]).expect("the path is the end of the entry");
        let list = before.strip_suffix(b"; ").unwrap_or(before);
        assert!(!list.windows(2).any(|pair| pair == b"; "), "the facts end at the first \"; \"");
        let entry = entry(&facts);
        let again = wire::mlst(&Reply::new(
            Code::new(250).expect("a code"),
            [&b""[..], &entry, b"End"].map(Bytes::copy_from_slice),
        ));
        assert_eq!(again.as_ref(), Ok(&facts), "{}", entry.escape_ascii());
    }
    if let Ok(time) = mdtm(&reply_of(213, data)) {
        assert_eq!(Timestamp::parse(time_text(time).as_bytes()), Some(time));
    }
    if let Ok(bytes) = size(&reply_of(213, data)) {
        assert_eq!(size(&reply_of(213, bytes.to_string().as_bytes())), Ok(bytes));
    }
    if let Ok(path) = pwd257(&reply_of(257, data)) {
        let doubled: Vec<u8> =
            path.iter().flat_map(|&byte| [byte, byte].into_iter().take(1 + usize::from(byte == b'"'))).collect();
        let canonical = [&b"\""[..], &doubled, b"\" is the current directory"].concat();
        assert_eq!(pwd257(&Reply::new(Code::new(257).expect("a code"), [canonical])), Ok(path));
    }
    let features = feat(&reply_of(211, data)).expect("any 211 will do");
    assert!(features.unknown.iter().map(Bytes::len).sum::<usize>() <= data.len());
    for code in [120, 421, 530, 550] {
        let reply = reply_of(code, data);
        let _ = (ready_in(&reply), reply_hints_limit(&reply), reply_hints_transient(&reply));
    }
}

/// A URL that was read is read again from what it shows, and nothing in it can end a command line.
pub(crate) fn url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(url) = Url::parse(text) else { return };
    let shown = url.to_string();
    let again = Url::parse(&shown).expect("what it shows is a URL");
    assert_eq!(again.to_string(), shown);
    assert_eq!((again.user(), again.host(), again.port()), (url.user(), url.host(), url.port()));
    assert_eq!((again.path(), again.url_type(), again.password()), (url.path(), url.url_type(), None));
    check_path(url.path());
}

fn check_path(path: &Path) {
    assert_eq!(path.directories().len() + usize::from(path.file().is_some()), path.segments().len());
    assert_eq!(path.full().is_some(), path.segments().len() > 0);
    let steps = path.directories().cloned().map(Command::Cwd).chain(path.file().cloned().map(Command::Retr));
    for command in steps.chain(path.full().map(Command::Retr)) {
        let mut line = BytesMut::new();
        command.encode(&mut line);
        let line = line.strip_suffix(b"\r\n").expect("an end");
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

/// A reply whose lines of text are those of `text`.
pub(crate) fn reply_of(code: u16, text: &[u8]) -> Reply {
    let lines = text.split(|&byte| byte == b'\n').map(Bytes::copy_from_slice);
    Reply::new(Code::new(code).expect("a code"), lines)
}

/// The entry of an MLST reply that tells these facts.
pub(crate) fn entry(facts: &Facts) -> Vec<u8> {
    let mut entry = b" ".to_vec();
    let mut add = |name: &str, value: &[u8]| entry.extend([name.as_bytes(), b"=", value, b";"].concat());
    if let Some(size) = facts.size {
        add("Size", size.to_string().as_bytes());
    }
    if let Some(modify) = facts.modify {
        add("Modify", time_text(modify).as_bytes());
    }
    match &facts.kind {
        Some(EntryType::File) => add("Type", b"file"),
        Some(EntryType::Directory) => add("Type", b"dir"),
        Some(EntryType::Other(other)) => add("Type", other),
        _ => {}
    }
    if let Some(unique) = &facts.unique {
        add("Unique", unique);
    }
    if let Some(perm) = &facts.perm {
        add("Perm", perm.as_bytes());
    }
    entry.push(b' ');
    entry.extend_from_slice(&facts.path);
    entry
}

/// A time as a server writes it. Counts days by the calendar's 400-year cycle, unlike the parser.
pub(crate) fn time_text(time: Timestamp) -> String {
    let (days, second) = (time.seconds.div_euclid(86_400), time.seconds.rem_euclid(86_400));
    // Years from March, so that the leap day is the last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
    if time.nanoseconds > 0 {
        write!(text, ".{:09}", time.nanoseconds).expect("a string takes all");
    }
    text
}
