//! Commands, from the client to the server.

use bytes::{BufMut, BytesMut};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use super::text::Lossy;
use super::{Arg, Secret};

/// A command of the download path, named by its verb.
///
/// `Debug` and `Display` never show a [`Secret`]. `Display` is the command line for a log.
///
/// Spec: RFC 959 section 5.3.1, RFC 2389, RFC 2428, RFC 3659, RFC 7151, draft-bryan-ftp-range-08, draft-bryan-ftpext-hash-02
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// `USER`: who logs in.
    User(Arg),
    /// `PASS`: the password.
    Pass(Secret),
    /// `ACCT`: the account, asked for by 332.
    Acct(Secret),
    /// `CWD`: change the directory, one path or one step.
    Cwd(Arg),
    /// `CDUP`: to the parent directory.
    Cdup,
    /// `PWD`: which directory is it ([`pwd257`](super::pwd257)).
    Pwd,
    /// `TYPE`: how files are represented on the data connection.
    Type(Type),
    /// `PASV`: listen, IPv4 ([`pasv`](super::pasv)).
    Pasv,
    /// `EPSV`: listen, on the address family of the control connection ([`epsv`](super::epsv)).
    Epsv,
    /// `REST`: the next `RETR` starts at this byte.
    Rest(u64),
    /// `RANG`: the next `RETR` sends `first..=last`, both inclusive byte positions.
    Rang {
        /// Position of the first byte.
        first: u64,
        /// Position of the last byte.
        last: u64,
    },
    /// `RETR`: send the file.
    Retr(Arg),
    /// `SIZE`: how many bytes ([`size`](super::size)).
    Size(Arg),
    /// `MDTM`: last modification ([`mdtm`](super::mdtm)).
    Mdtm(Arg),
    /// `MLST`: facts of one file, or of the directory ([`mlst`](super::mlst)).
    Mlst(Option<Arg>),
    /// `FEAT`: which extensions ([`feat`](super::feat)).
    Feat,
    /// `OPTS`: options of another command.
    Opts(Arg),
    /// `SYST`: which system.
    Syst,
    /// `NOOP`: nothing.
    Noop,
    /// `ABOR`: abort the transfer.
    Abor,
    /// `QUIT`: end the session.
    Quit,
    /// `HOST`: which virtual host; before `USER`.
    Host(Arg),
    /// `CLNT`: name of the client.
    Clnt(Arg),
    /// `HASH`: hash of a whole file.
    Hash(Arg),
    /// Any other command; see [`Command::other`].
    Other(OtherCommand),
}

impl Command {
    /// A command that has no variant, e.g. `SITE` or `XSHA256`.
    ///
    /// # Errors
    ///
    /// The verb is not 3 to 16 letters and digits, or is `PASS` or `ACCT`, whose argument would then be shown.
    pub fn other(verb: &str, argument: Option<Arg>) -> Result<Self, InvalidVerb> {
        let verb = verb.to_ascii_uppercase();
        let valid = (3..=16).contains(&verb.len()) && verb.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !valid || verb == "PASS" || verb == "ACCT" {
            return Err(InvalidVerb);
        }
        Ok(Self::Other(OtherCommand { verb, argument }))
    }

    /// The verb, in upper case.
    pub fn verb(&self) -> &str {
        match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Acct(_) => "ACCT",
            Self::Cwd(_) => "CWD",
            Self::Cdup => "CDUP",
            Self::Pwd => "PWD",
            Self::Type(_) => "TYPE",
            Self::Pasv => "PASV",
            Self::Epsv => "EPSV",
            Self::Rest(_) => "REST",
            Self::Rang { .. } => "RANG",
            Self::Retr(_) => "RETR",
            Self::Size(_) => "SIZE",
            Self::Mdtm(_) => "MDTM",
            Self::Mlst(_) => "MLST",
            Self::Feat => "FEAT",
            Self::Opts(_) => "OPTS",
            Self::Syst => "SYST",
            Self::Noop => "NOOP",
            Self::Abor => "ABOR",
            Self::Quit => "QUIT",
            Self::Host(_) => "HOST",
            Self::Clnt(_) => "CLNT",
            Self::Hash(_) => "HASH",
            Self::Other(other) => &other.verb,
        }
    }

    /// Appends the command line, with 0xFF as it is: [`Iac::Raw`].
    ///
    /// ```text
    /// command = verb [ SP argument ] CRLF
    /// ```
    ///
    /// Exactly one SP: further ones, and those at the end, belong to the name.
    ///
    /// Spec: RFC 959 section 5.3.1
    pub fn encode(&self, dst: &mut BytesMut) {
        self.encode_with(dst, Iac::Raw);
    }

    /// Appends the command line, with 0xFF in the argument sent as `iac` says.
    ///
    /// Spec: RFC 959 section 5.3.1, RFC 854 (IAC)
    pub fn encode_with(&self, dst: &mut BytesMut, iac: Iac) {
        dst.put_slice(self.verb().as_bytes());
        if let Some(argument) = self.argument() {
            dst.put_u8(b' ');
            for &byte in argument.iter() {
                dst.put_u8(byte);
                if byte == 0xFF && iac == Iac::Doubled {
                    dst.put_u8(byte);
                }
            }
        }
        dst.put_slice(b"\r\n");
    }

    fn argument(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::User(arg) | Self::Cwd(arg) | Self::Retr(arg) | Self::Size(arg) | Self::Mdtm(arg) => Some(arg),
            Self::Opts(arg) | Self::Host(arg) | Self::Clnt(arg) | Self::Hash(arg) => Some(arg),
            Self::Mlst(arg) => arg.as_ref(),
            Self::Other(other) => other.argument.as_ref(),
            Self::Pass(secret) | Self::Acct(secret) => return Some(secret.expose().into()),
            Self::Type(kind) => return Some(kind.code().as_bytes().into()),
            Self::Rest(offset) => return Some(offset.to_string().into_bytes().into()),
            Self::Rang { first, last } => return Some(format!("{first} {last}").into_bytes().into()),
            Self::Cdup | Self::Pwd | Self::Pasv | Self::Epsv | Self::Feat => None,
            Self::Syst | Self::Noop | Self::Abor | Self::Quit => None,
        }
        .map(|arg| arg.as_bytes().into())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())?;
        match (self, self.argument()) {
            (Self::Pass(secret) | Self::Acct(secret), _) => write!(f, " {secret}"),
            (_, Some(argument)) => write!(f, " {}", Lossy(&argument)),
            (_, None) => Ok(()),
        }
    }
}

/// How a 0xFF in an argument is sent.
///
/// Telnet says doubled, and ProFTPD takes both forms. vsftpd and pure-ftpd take it raw and do not find the doubled
/// name. 0xFF is `я` in CP1251 and `ÿ` in Latin-1, so such names are not rare.
///
/// Observed: vsftpd 3.0.3, ProFTPD 1.3.8, pure-ftpd 1.0.50
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Iac {
    /// Once, as any other byte.
    #[default]
    Raw,
    /// Twice, as RFC 854 wants it.
    Doubled,
}

/// Representation of a file on the data connection.
///
/// Spec: RFC 959 section 3.1.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `A`: text with CRLF line ends. Offsets mean nothing here.
    Ascii,
    /// `I`: the bytes of the file.
    Image,
}

impl Type {
    /// The letter on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ascii => "A",
            Self::Image => "I",
        }
    }
}

/// A command without a variant of its own, checked by [`Command::other`].
///
/// Spec: RFC 959 section 5.3.1
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCommand {
    verb: String,
    argument: Option<Arg>,
}

/// The verb is not 3 to 16 letters and digits, or is one whose argument is a secret.
///
/// Spec: RFC 959 section 5.3.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verb of 3 to 16 letters and digits, or one whose argument is secret")]
pub struct InvalidVerb;
