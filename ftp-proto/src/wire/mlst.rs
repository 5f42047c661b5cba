//! Facts of one file.

use bytes::Bytes;

use super::timestamp::Timestamp;
use super::value::{ValueError, ValueRule, decimal};
use super::{Class, Reply};

/// What `MLST` says of a file. A fact that is not told, or whose value cannot be read, is `None`.
///
/// Spec: RFC 3659 section 7.5
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Facts {
    /// `size`, in bytes.
    pub size: Option<u64>,
    /// `modify`: last modification.
    pub modify: Option<Timestamp>,
    /// `type`.
    pub kind: Option<EntryType>,
    /// `unique`: equal for two names of the same file.
    pub unique: Option<Bytes>,
    /// `perm`: what this user may do.
    pub perm: Option<Perm>,
    /// The path as the server writes it. Hostile: never a local file name.
    pub path: Bytes,
}

/// The `type` fact.
///
/// Spec: RFC 3659 section 7.5.1
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryType {
    /// A file.
    File,
    /// A directory, or one by another name: `cdir`, `pdir`.
    Directory,
    /// Something else, e.g. `OS.unix=slink:target`.
    Other(Bytes),
}

/// The `perm` fact: a set of letters.
///
/// Spec: RFC 3659 section 7.5.5
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Perm(Bytes);

impl Perm {
    /// The letters, as sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `RETR` is allowed: `r`.
    pub fn retrieve(&self) -> bool {
        self.has(b'r')
    }

    /// Whether the letter is in the set, in any case.
    pub fn has(&self, letter: u8) -> bool {
        self.0.iter().any(|byte| byte.eq_ignore_ascii_case(&letter))
    }
}

/// The answer to `MLST`.
///
/// ```text
/// mlst-ok = "250-" text CRLF SP entry CRLF "250" [ SP text ] CRLF
/// entry   = *( name "=" value ";" ) SP path          ; the facts end at the first "; "
/// ```
///
/// The entry is the first inner line; where there is none, the first line. The SP before it may be missing. Names of facts
/// are in any case, unknown ones are passed over, in `path` everything is allowed.
///
/// # Errors
///
/// Not a 2yz; no entry; a fact told twice with two values.
///
/// Spec: RFC 3659 section 7.2. Observed: pure-ftpd 1.0.50 says `sizd` for directories
pub fn mlst(reply: &Reply) -> Result<Facts, ValueError> {
    if reply.class() != Class::Completion {
        return Err(ValueError::new(reply, 0, 0, ValueRule::WrongCode));
    }
    let (index, line) = reply.inner().next().map_or((0, reply.first()), |line| (1, line));
    let error = |offset, rule| ValueError::new(reply, index, offset, rule);
    let entry = line.strip_prefix(b" ").unwrap_or(line);
    let (list, path) = split_entry(entry).ok_or(error(0, ValueRule::Missing))?;
    let mut facts = Facts { path: Bytes::copy_from_slice(path), ..Facts::default() };
    for fact in list.split(|&byte| byte == b';') {
        let Some(equals) = fact.iter().position(|&byte| byte == b'=') else { continue };
        let (name, value) = fact.split_at_checked(equals).unwrap_or_default();
        let value = value.strip_prefix(b"=").unwrap_or(value);
        let consistent = match name.to_ascii_lowercase().as_slice() {
            b"size" => set(&mut facts.size, decimal(value)),
            b"modify" => set(&mut facts.modify, Timestamp::parse(value)),
            b"type" => set(&mut facts.kind, Some(entry_type(value))),
            b"unique" => set(&mut facts.unique, Some(Bytes::copy_from_slice(value))),
            b"perm" => set(&mut facts.perm, Some(Perm(Bytes::copy_from_slice(value)))),
            _ => true,
        };
        if !consistent {
            return Err(error(0, ValueRule::Contradiction));
        }
    }
    Ok(facts)
}

/// The facts with their semicolons, and the path.
fn split_entry(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(path) = entry.strip_prefix(b" ") {
        return (!path.is_empty()).then_some((&[], path));
    }
    let end = entry.windows(2).position(|pair| pair == b"; ")?;
    let (facts, rest) = entry.split_at_checked(end)?;
    let path = rest.strip_prefix(b"; ")?;
    (!path.is_empty()).then_some((facts, path))
}

/// Sets a fact; `false` if it had another value.
fn set<T: PartialEq>(fact: &mut Option<T>, value: Option<T>) -> bool {
    if fact.is_some() && *fact != value {
        return false;
    }
    *fact = value;
    true
}

fn entry_type(value: &[u8]) -> EntryType {
    match value.to_ascii_lowercase().as_slice() {
        b"file" => EntryType::File,
        b"dir" | b"cdir" | b"pdir" => EntryType::Directory,
        _ => EntryType::Other(Bytes::copy_from_slice(value)),
    }
}
