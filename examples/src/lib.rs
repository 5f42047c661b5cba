//! Which URL is fetched by which crate: the table behind the `segfetch` command. And [`http`], a source of its own, and [`mms`], live
//! streams as files.
//!
//! [`Schemes`] makes a [`RangeSource`] of a URL. URLs that lead to one account on one FTP server share a client, so that its sessions,
//! and what was learned about the server, serve them all; URLs of web servers share their connections. Each file on a media server has
//! a client of its own.
//!
//! ```
//! use segfetch_cli::Schemes;
//!
//! let schemes = Schemes::new();
//! let remote = schemes.remote("ftp://anna:secret@ftp.example.org/pub/disc.iso")?;
//! assert_eq!(remote.name.as_deref(), Some(&b"disc.iso"[..]));
//! assert_eq!(remote.source.label(), "ftp://anna@ftp.example.org/pub/disc.iso");
//! # Ok::<(), segfetch_cli::SchemeError>(())
//! ```

pub mod http;
pub mod mms;

use std::sync::{Mutex, PoisonError};

use ftp_proto::client::{Client, Config};
use ftp_proto::conn::Credentials;
use ftp_proto::source::{FtpSource, NotAFile};
use ftp_proto::wire::{InvalidArg, Secret, Url, UrlError};
use segfetch::source::RangeSource;
use thiserror::Error;

use http::{ClientError, HttpSource, InvalidUrl};
use mms::Media;

/// The environment variable with the password for URLs that name a user and no password.
pub const PASSWORD_VARIABLE: &str = "SEGFETCH_PASSWORD";

/// Schemes that will be, and are not yet.
const NOT_YET: [&str; 6] = ["ftps", "ftpes", "rtsp", "rtsps", "rtspu", "pnm"];

/// A file that can be fetched.
#[derive(Debug)]
pub struct Remote {
    /// The file.
    pub source: Box<dyn RangeSource>,
    /// The last part of the URL's path, decoded. Hostile: check before using it as a path.
    pub name: Option<Vec<u8>>,
    /// The same file, if it is on a media server, for what only such servers can do.
    pub media: Option<Media>,
    ftp: Option<Client>,
}

impl Remote {
    /// What the server says that it can do, in the words of its protocol; empty as long as it was not asked, by
    /// [`RangeSource::probe`] for example.
    pub fn features(&self) -> Vec<&'static str> {
        let Some(has) = self.ftp.as_ref().and_then(|ftp| ftp.quirks().features) else { return Vec::new() };
        let all = [
            ("EPSV", has.epsv),
            ("SIZE", has.size),
            ("MDTM", has.mdtm),
            ("MLST", has.mlst.is_some()),
            ("REST STREAM", has.rest_stream),
            ("RANG STREAM", has.rang_stream),
            ("TVFS", has.tvfs),
            ("UTF8", has.utf8),
            ("HASH", !has.hash.is_empty()),
            ("AUTH TLS", has.auth.iter().any(|mechanism| mechanism == "TLS")),
        ];
        all.into_iter().filter_map(|(name, offered)| offered.then_some(name)).collect()
    }
}

/// Makes sources of URLs.
#[derive(Debug, Default)]
pub struct Schemes {
    password: Option<Secret>,
    media: mms::Options,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ftp: Vec<Client>,
    http: Option<http::Client>,
    /// The one server that the password is for.
    password_for: Option<String>,
}

/// Why a URL cannot be fetched. No text contains a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The scheme will be supported one day.
    #[error("{0}:// is not supported yet; ftp://, http://, https:// and mms:// are")]
    NotYet(String),
    /// Nobody here knows the scheme.
    #[error("{0}:// is not a scheme that is known here; ftp://, http://, https:// and mms:// are")]
    Unknown(String),
    /// It does not begin with a scheme.
    #[error("not a URL: it has to begin with ftp://, http://, https:// or mms://")]
    NotAUrl,
    /// It is an FTP URL with a mistake in it.
    #[error("not a usable FTP URL: {0}")]
    Ftp(#[from] UrlError),
    /// It is a web server's URL with a mistake in it.
    #[error("not a usable web URL: {0}")]
    Http(#[from] InvalidUrl),
    /// It is a media server's URL with a mistake in it.
    #[error("not a usable media URL: {0}")]
    Media(#[from] mms_proto::wire::UrlError),
    /// Web servers cannot be asked at all.
    #[error(transparent)]
    HttpClient(#[from] ClientError),
    /// It is an FTP URL of something that has no bytes to fetch.
    #[error("{url} cannot be fetched: {reason}")]
    NotAFile {
        /// The URL, without its password.
        url: String,
        /// Why not.
        reason: NotAFile,
    },
    /// The password in the environment cannot be sent.
    #[error("the password in {PASSWORD_VARIABLE} cannot be sent: {0}")]
    Password(#[from] InvalidArg),
    /// The password in the environment is no text of one line, and media servers are sent that.
    #[error(
        "the password in {PASSWORD_VARIABLE} cannot be sent to a media server: it is not UTF-8, or has a control character"
    )]
    MediaPassword,
    /// One password, two servers: one of them would learn the password of the other.
    #[error("{PASSWORD_VARIABLE} would be sent to more than one server, {0} and {1}; run the command once for each")]
    PasswordForTwo(String, String),
}

impl Schemes {
    /// Knows no password but those in URLs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the password from the environment variable [`PASSWORD_VARIABLE`], if it is set.
    ///
    /// # Errors
    /// [`SchemeError::Password`].
    pub fn from_env() -> Result<Self, SchemeError> {
        let password = std::env::var_os(PASSWORD_VARIABLE).map(|value| Secret::new(value.into_encoded_bytes()));
        Ok(Self { password: password.transpose()?, ..Self::default() })
    }

    /// With other wishes for media servers.
    #[must_use]
    pub fn with_media(self, media: mms::Options) -> Self {
        Self { media, ..self }
    }

    /// The file behind a URL. Connects to nothing.
    ///
    /// # Errors
    /// [`SchemeError`].
    pub fn remote(&self, url: &str) -> Result<Remote, SchemeError> {
        let (scheme, _) = url.split_once("://").ok_or(SchemeError::NotAUrl)?;
        let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        match scheme.to_ascii_lowercase().as_str() {
            _ if mms::is_media(url) => self.media(url),
            "ftp" => self.ftp(&Url::parse(url)?),
            "http" | "https" => self.http(url),
            _ if !is_scheme || scheme.is_empty() => Err(SchemeError::NotAUrl),
            scheme if NOT_YET.contains(&scheme) => Err(SchemeError::NotYet(scheme.to_owned())),
            scheme => Err(SchemeError::Unknown(scheme.to_owned())),
        }
    }

    fn ftp(&self, url: &Url) -> Result<Remote, SchemeError> {
        let ftp = self.ftp_client(url)?;
        let source = FtpSource::new(ftp.clone(), url);
        let source = source.map_err(|reason| SchemeError::NotAFile { url: url.to_string(), reason })?;
        Ok(Remote { source: Box::new(source), name: url.file_name().map(<[u8]>::to_vec), media: None, ftp: Some(ftp) })
    }

    fn ftp_client(&self, url: &Url) -> Result<Client, SchemeError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = state.ftp.iter().find(|client| client.serves(url)) {
            return Ok(client.clone());
        }
        let client = match (&self.password, url.user(), url.password()) {
            (Some(password), Some(user), None) => {
                state.give_password_to(format!("{}:{}", url.host(), url.port()))?;
                let credentials = Credentials::new(user.clone(), password.clone());
                Client::with_credentials(&url.host().unbracketed(), url.port(), credentials, Config::default())
            }
            _ => Client::new(url, Config::default()),
        };
        state.ftp.push(client.clone());
        Ok(client)
    }

    fn http(&self, url: &str) -> Result<Remote, SchemeError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &state.http {
            Some(client) => client.clone(),
            None => state.http.insert(http::Client::new()?).clone(),
        };
        let mut source = HttpSource::new(client, url)?;
        if let Some(password) = self.password.as_ref().filter(|_| source.lacks_password()) {
            state.give_password_to(source.server())?;
            source = source.with_password(password.expose())?;
        }
        let name = Some(source.file_name()).filter(|name| !name.is_empty());
        Ok(Remote { source: Box::new(source), name, media: None, ftp: None })
    }

    fn media(&self, url: &str) -> Result<Remote, SchemeError> {
        let mut url = mms_proto::wire::Url::parse(url.split('#').next().unwrap_or(url))?;
        if let (Some(password), Some(_), None) = (&self.password, url.user(), url.password()) {
            let password = std::str::from_utf8(password.expose()).map_err(|_| SchemeError::MediaPassword)?;
            let password = mms_proto::wire::Secret::new(password).map_err(|_| SchemeError::MediaPassword)?;
            self.state.lock().unwrap_or_else(PoisonError::into_inner).give_password_to(url.authority())?;
            url = url.with_password(password);
        }
        let (name, media) = (url.name(), Media::new(url, &self.media));
        Ok(Remote { source: Box::new(media.clone()), name, media: Some(media), ftp: None })
    }
}

impl State {
    /// Notes which server learns the password of the environment.
    fn give_password_to(&mut self, server: String) -> Result<(), SchemeError> {
        match self.password_for.replace(server.clone()).filter(|first| *first != server) {
            Some(first) => Err(SchemeError::PasswordForTwo(first, server)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_password() -> Schemes {
        Schemes { password: Some(Secret::new("zyzzyva").unwrap()), ..Schemes::default() }
    }

    fn clients(schemes: &Schemes) -> usize {
        schemes.state.lock().unwrap().ftp.len()
    }

    #[test]
    fn urls_of_one_account_on_one_server_share_a_client() {
        let schemes = Schemes::new();
        for url in ["ftp://h/a", "ftp://H:21/b/c", "ftp://h/d"] {
            schemes.remote(url).unwrap();
        }
        assert_eq!(clients(&schemes), 1);
        for url in ["ftp://h:2121/a", "ftp://anna@h/a", "ftp://other/a"] {
            schemes.remote(url).unwrap();
        }
        assert_eq!(clients(&schemes), 4);
    }

    #[test]
    fn what_is_not_supported_yet_is_told_from_what_is_unknown() {
        let schemes = Schemes::new();
        for scheme in NOT_YET {
            let error = schemes.remote(&format!("{scheme}://h/f")).unwrap_err();
            assert!(matches!(&error, SchemeError::NotYet(name) if name == scheme), "{error}");
        }
        assert!(matches!(schemes.remote("gopher://h/f"), Err(SchemeError::Unknown(_))));
        for text in ["", "h/f", "://h", "ftp:/h/f", "a b://h"] {
            assert!(matches!(schemes.remote(text), Err(SchemeError::NotAUrl)), "{text}");
        }
        assert!(matches!(schemes.remote("ftp://"), Err(SchemeError::Ftp(_))));
        assert!(matches!(schemes.remote("http://"), Err(SchemeError::Http(_))));
        assert!(matches!(schemes.remote("mms://"), Err(SchemeError::Media(_))));
    }

    #[test]
    fn a_media_server_is_asked_in_its_own_way_also_behind_a_web_url() {
        for url in
            ["mms://h/f.wmv", "mmst://h/f.wmv", "mmsh://h/f.wmv", "mmsu://h/f.wmv", "http://h/f.wmv?MSWMExt=.asf"]
        {
            let remote = Schemes::new().remote(url).unwrap();
            assert!(remote.media.is_some(), "{url}");
            assert_eq!(remote.name.as_deref(), Some(&b"f.wmv"[..]));
        }
        for url in ["http://h/f.wmv", "ftp://h/f.wmv"] {
            assert!(Schemes::new().remote(url).unwrap().media.is_none(), "{url}");
        }
    }

    #[test]
    fn no_text_contains_a_password() {
        let schemes = with_password();
        for url in [
            "ftp://a:zyzzyva@h/f",
            "ftp://a@h/f",
            "ftp://a:zyzzyva@h:0/f",
            "ftp://a:zyzzyva%00@h/",
            "a:zyzzyva://h/f",
            "https://a:zyzzyva@h/f",
            "https://a@h/f?zyzzyva#zyzzyva",
            "http://a:zyzzyva@h:x/f",
            "mms://a:zyzzyva@h/f",
            "mms://a@h/f?zyzzyva",
            "mms://a:zyzzyva@h:x/f",
            "http://a@h/f?MSWMExt=.asf&zyzzyva",
            "x://a:zyzzyva@h/f",
        ] {
            let text = match schemes.remote(url) {
                Ok(remote) => format!("{remote:?} {}", remote.source.label()),
                Err(error) => format!("{error:?} {error}"),
            };
            assert!(!text.contains("zyzzyva"), "{text}");
        }
        assert!(!format!("{schemes:?}").contains("zyzzyva"));
    }

    #[test]
    fn one_password_goes_to_one_server() {
        let schemes = with_password();
        schemes.remote("ftp://anna@h/a").unwrap();
        schemes.remote("ftp://bert@h/a").unwrap();
        schemes.remote("ftp://other/a").unwrap();
        schemes.remote("ftp://anna:own@other/a").unwrap();
        assert!(matches!(schemes.remote("ftp://anna@third/a"), Err(SchemeError::PasswordForTwo(..))));
        assert!(matches!(schemes.remote("https://anna@h/a"), Err(SchemeError::PasswordForTwo(..))));
        assert!(matches!(schemes.remote("mms://anna@other/a"), Err(SchemeError::PasswordForTwo(..))));
        schemes.remote("https://anna:own@h/a").unwrap();
        schemes.remote("https://h/a").unwrap();
    }

    #[test]
    fn the_name_is_the_last_part_of_the_path_decoded() {
        let name = |url| Schemes::new().remote(url).unwrap().name;
        assert!(matches!(Schemes::new().remote("ftp://h/d/"), Err(SchemeError::NotAFile { .. })));
        assert_eq!(name("ftp://h/a/b%20c.iso;type=i").as_deref(), Some(&b"b c.iso"[..]));
        assert_eq!(name("ftp://h/a/%FF").as_deref(), Some(&b"\xff"[..]));
        assert_eq!(name("https://h/a/b%20c.iso?d=/e").as_deref(), Some(&b"b c.iso"[..]));
        assert_eq!(name("https://h/a/"), None);
        assert_eq!(name("https://h"), None);
        assert_eq!(name("mms://h/a/b%20c.wmv?d=/e").as_deref(), Some(&b"b c.wmv"[..]));
        assert_eq!(name("mmsh://h/"), None);
    }
}
