//! Requests of HTTP, read as servers do that want to please everybody.

use std::io;

use bytes::BytesMut;

use super::stats::Asked;

const LARGEST_HEAD: usize = 64 * 1024;
const LARGEST_BODY: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Percent-decoded, with its query.
    pub(super) path: String,
    target: String,
    headers: Vec<(String, String)>,
}

/// Takes the first whole request with its body, `None` if there is none yet.
///
/// # Errors
///
/// It is longer than anybody needs, or has no first line.
pub(super) fn take(inbox: &mut BytesMut) -> io::Result<Option<Request>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let found = ends.iter().filter_map(|end| {
        let at = inbox.windows(end.len()).position(|window| window == *end)?;
        Some(at + end.len())
    });
    let Some(head_len) = found.min() else {
        return if inbox.len() > LARGEST_HEAD { Err(wrong()) } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(&inbox[..head_len]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split_ascii_whitespace();
    let (method, target) = (words.next().ok_or_else(wrong)?, words.next().ok_or_else(wrong)?);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    // A proxy is asked for the whole URL.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => target,
    };
    let request = Request { method: method.to_owned(), path: decoded(path), target: target.to_owned(), headers };
    let body_len = request.header("content-length").map_or(0, digits) as usize;
    if body_len > LARGEST_BODY {
        return Err(wrong());
    }
    if inbox.len() < head_len + body_len {
        return Ok(None);
    }
    let _ = inbox.split_to(head_len + body_len);
    Ok(Some(request))
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }

    /// What all `Pragma` lines say, cut at commas.
    pub(super) fn pragmas(&self) -> Vec<String> {
        let lines = self.headers.iter().filter(|(name, _)| name == "pragma");
        lines.flat_map(|(_, value)| value.split(',')).map(|token| token.trim().to_owned()).collect()
    }

    /// The value of a pragma.
    pub(super) fn pragma(&self, name: &str) -> Option<String> {
        self.pragmas().iter().find_map(|token| {
            let (has, value) = token.split_once('=')?;
            has.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub(super) fn asked(&self) -> Asked {
        Asked::Http {
            request: format!("{} {}", self.method, self.target),
            headers: self.headers.clone(),
            pragmas: self.pragmas(),
        }
    }
}

/// The digits at the start of a text: ffmpeg forgets a line end behind some numbers.
pub(super) fn digits(text: &str) -> u64 {
    let text = text.trim_start();
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

fn decoded(path: &str) -> String {
    let (bytes, mut out, mut at) = (path.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = hex.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
