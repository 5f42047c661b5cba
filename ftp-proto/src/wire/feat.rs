//! The extensions that a server offers.

use bytes::Bytes;

use super::value::{ValueError, ValueRule};
use super::{Class, Reply};

/// What `FEAT` says. A feature that is missing here may still work, and the other way round.
///
/// Spec: RFC 2389 section 3.2
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Features {
    /// `EPSV` (RFC 2428).
    pub epsv: bool,
    /// `SIZE` (RFC 3659).
    pub size: bool,
    /// `MDTM` (RFC 3659).
    pub mdtm: bool,
    /// `REST STREAM`: offsets count bytes (RFC 3659).
    pub rest_stream: bool,
    /// `RANG STREAM`: exact ranges (draft-bryan-ftp-range).
    pub rang_stream: bool,
    /// `TVFS`: `/` separates names, so that one path can stand for many `CWD` (RFC 3659).
    pub tvfs: bool,
    /// `UTF8`: names are UTF-8 (RFC 2640).
    pub utf8: bool,
    /// `HOST`: virtual hosts (RFC 7151).
    pub host: bool,
    /// `CLNT`: wants to know the client's name.
    pub clnt: bool,
    /// `PRET`: wants to know the next command before `PASV`.
    pub pret: bool,
    /// `MLST` and its facts; `None` if it is not offered (RFC 3659).
    pub mlst: Option<Vec<MlstFact>>,
    /// `HASH` and its algorithms (draft-bryan-ftpext-hash).
    pub hash: Vec<HashAlgorithm>,
    /// `AUTH` and its mechanisms, in upper case (RFC 4217).
    pub auth: Vec<String>,
    /// Every other line, as sent but without leading spaces.
    pub unknown: Vec<Bytes>,
}

impl Features {
    /// Whether one of the unknown lines begins with this verb, e.g. `XSHA256`.
    pub fn offers(&self, verb: &str) -> bool {
        self.unknown.iter().any(|line| verb_and_parameters(line).0.eq_ignore_ascii_case(verb.as_bytes()))
    }
}

/// A fact that `MLST` can tell.
///
/// Spec: RFC 3659 section 7.8
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlstFact {
    /// Its name, in lower case.
    pub name: String,
    /// Whether it is told without `OPTS MLST`.
    pub enabled: bool,
}

/// An algorithm that `HASH` can use.
///
/// Spec: draft-bryan-ftpext-hash-02 section 4
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashAlgorithm {
    /// Its name, in upper case, e.g. `SHA-256`.
    pub name: String,
    /// Whether it is used without `OPTS HASH`.
    pub selected: bool,
}

/// The answer to `FEAT`.
///
/// ```text
/// feat-ok  = "211-" text CRLF 1*( SP feature CRLF ) "211 " text CRLF
///          / "211" SP text CRLF                                        ; no features
/// feature  = verb [ SP parameters ]
/// mlst     = "MLST" SP 1*( fact [ "*" ] ";" )
/// hash     = "HASH" SP algorithm [ "*" ] *( ";" algorithm [ "*" ] )
/// ```
///
/// Lines without the SP, or with a repeated `211-`, count too. Verbs are in any case.
///
/// # Errors
///
/// Not a 2yz: the server has no `FEAT`.
///
/// Spec: RFC 2389 section 3.2, RFC 3659 section 7.8, draft-bryan-ftpext-hash-02 section 4. Observed: `AUTH TLS;SSL;` in one
/// line (IIS)
pub fn feat(reply: &Reply) -> Result<Features, ValueError> {
    if reply.class() != Class::Completion {
        return Err(ValueError::new(reply, 0, 0, ValueRule::WrongCode));
    }
    let mut features = Features::default();
    for line in reply.inner() {
        let line = line.trim_ascii_start();
        if !line.trim_ascii_end().is_empty() {
            add(&mut features, line);
        }
    }
    Ok(features)
}

fn add(features: &mut Features, line: &[u8]) {
    let (verb, parameters) = verb_and_parameters(line);
    let verb = verb.to_ascii_uppercase();
    let stream =
        parameters.to_ascii_uppercase().split(|&byte| byte == b' ' || byte == b';').any(|word| word == b"STREAM");
    match verb.as_slice() {
        b"EPSV" => features.epsv = true,
        b"SIZE" => features.size = true,
        b"MDTM" => features.mdtm = true,
        b"REST" if stream => features.rest_stream = true,
        b"RANG" if stream => features.rang_stream = true,
        b"TVFS" => features.tvfs = true,
        b"UTF8" => features.utf8 = true,
        b"HOST" => features.host = true,
        b"CLNT" => features.clnt = true,
        b"PRET" => features.pret = true,
        b"MLST" => {
            let facts =
                starred(parameters).map(|(name, enabled)| MlstFact { name: name.to_ascii_lowercase(), enabled });
            features.mlst.get_or_insert_default().extend(facts);
        }
        b"HASH" => {
            let algorithms = starred(parameters);
            let algorithms =
                algorithms.map(|(name, selected)| HashAlgorithm { name: name.to_ascii_uppercase(), selected });
            features.hash.extend(algorithms);
        }
        b"AUTH" => features.auth.extend(starred(parameters).map(|(name, _)| name.to_ascii_uppercase())),
        _ => features.unknown.push(Bytes::copy_from_slice(line)),
    }
}

fn verb_and_parameters(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (verb, parameters) = line.split_at_checked(end).unwrap_or((line, &[]));
    (verb, parameters.trim_ascii())
}

/// The items of a list with `;` between or after them, each with whether a `*` follows it.
fn starred(parameters: &[u8]) -> impl Iterator<Item = (String, bool)> {
    parameters.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty()).map(|item| {
        let name = item.strip_suffix(b"*");
        (String::from_utf8_lossy(name.unwrap_or(item)).into_owned(), name.is_some())
    })
}
