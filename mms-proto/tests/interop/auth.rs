//! Credentials: curl judges the gate that judges us, and Apache httpd judges us as a server and as a proxy.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mms_proto::client::{Client, Config, Credentials, OpenError, Target};
use mms_proto::testing::{Film, Server};
use mms_proto::wire::{Secret, Url};
use segfetch_testkit::{need_bin, servers_root};
use tempfile::TempDir;

use super::gate::{DOMAIN, Gate, Habits, PASSWORD, Scheme, USER};

fn film() -> Film {
    Film::generated(20, 7)
}

async fn output(command: Command) -> Vec<u8> {
    let mut command = command;
    tokio::task::spawn_blocking(move || command.output().unwrap().stdout).await.unwrap()
}

/// The status that curl gets in the end.
async fn curl(arguments: &[&str], url: &str) -> String {
    let mut command = Command::new(need_bin("curl"));
    command.args([
        "--silent",
        "--max-time",
        "20",
        "--noproxy",
        "",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ]);
    command.args(arguments).arg(url);
    String::from_utf8(output(command).await).unwrap()
}

#[tokio::test]
async fn curl_is_known_to_the_gate_and_a_stranger_is_not() {
    let server = Server::builder().film("/clip.asf", film()).start().unwrap();
    let right = format!("{USER}:{PASSWORD}");
    let of_domain = format!("{DOMAIN}\\{USER}:{PASSWORD}");
    let elsewhere = format!("Other\\{USER}:{PASSWORD}");
    for (scheme, flag) in [
        (Scheme::Basic, "basic"),
        (Scheme::Digest(", qop=\"auth,auth-int\""), "digest"),
        (Scheme::Digest(""), "digest"),
        (Scheme::Digest(", algorithm=MD5-sess, qop=\"auth\""), "digest"),
        (Scheme::Digest(", algorithm=SHA-256, qop=\"auth\""), "digest"),
        (Scheme::Digest(", algorithm=SHA-256-sess, qop=\"auth\", userhash=true"), "digest"),
        (Scheme::Ntlm("NTLM", true), "ntlm"),
        (Scheme::Ntlm("NTLM", false), "ntlm"),
    ] {
        for proxy in [false, true] {
            let gate = Gate::before(server.mmsh_addr(), Habits { proxy, ..Habits::of(&[scheme]) }).await;
            let (flag, user, no) = match proxy {
                true => (format!("--proxy-{flag}"), "--proxy-user", "407"),
                false => (format!("--{flag}"), "--user", "401"),
            };
            let there = format!("http://{}", gate.addr);
            let through = ["--proxy", there.as_str()];
            let url = if proxy { "http://films.example/clip.asf".to_owned() } else { format!("{there}/clip.asf") };
            let mut tries = vec![(right.as_str(), "200"), ("User:wrong", no), ("Nobody:secret", no)];
            if flag.ends_with("ntlm") {
                tries.extend([(of_domain.as_str(), "200"), (elsewhere.as_str(), no)]);
            }
            for (who, status) in tries {
                let mut arguments = vec![flag.as_str(), user, who];
                arguments.extend(through.iter().filter(|_| proxy));
                let got = curl(&arguments, &url).await;
                assert_eq!(got, status, "{scheme:?} {proxy} {who}");
            }
        }
    }
}

/// Apache httpd, stopped when dropped.
struct Apache {
    process: Child,
    addr: SocketAddr,
    _dir: TempDir,
}

impl Drop for Apache {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// The realm of the password files.
const REALM: &str = "films";

impl Apache {
    /// Serves the media that `origin` sends, as a file; asks for `scheme` there, and as a proxy everywhere else.
    async fn start(origin: &Server, scheme: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (root, at) = (servers_root(), |name: &str| dir.path().join(name));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));

        std::fs::create_dir(at("www")).unwrap();
        let mut fetch = Command::new(need_bin("curl"));
        fetch.args(["--silent", "--user-agent", "NSPlayer/7.1.0.3055", "--header", "Pragma: xPlayStrm=1"]);
        fetch.arg("--output").arg(at("www/clip.asf")).arg(format!("http://{}/clip.asf", origin.mmsh_addr()));
        output(fetch).await;
        let digest = format!("{USER}:{REALM}:{}\n", md5_hex(&format!("{USER}:{REALM}:{PASSWORD}")));
        std::fs::write(at("digest"), digest).unwrap();
        let mut crypt = Command::new(need_bin("htpasswd"));
        crypt.args(["-nbm", USER, PASSWORD]);
        std::fs::write(at("basic"), output(crypt).await).unwrap();

        let modules = root.join("usr/lib/apache2/modules");
        let names = [
            "mpm_event",
            "authn_core",
            "authn_file",
            "authz_core",
            "authz_user",
            "auth_basic",
            "auth_digest",
            "mime",
            "proxy",
            "proxy_http",
        ];
        let load = |name: &&str| format!("LoadModule {name}_module {}/mod_{name}.so\n", modules.display());
        let require = format!(
            "AuthType {scheme}\nAuthName {REALM}\nAuth{scheme}Provider file\nAuthUserFile {}\nRequire valid-user\n",
            at(&scheme.to_lowercase()).display()
        );
        let text = format!(
            "{}ServerName localhost\nListen 127.0.0.1:{port}\nServerRoot {dir}\nPidFile {dir}/pid\nErrorLog /dev/stderr\nLogLevel notice\n\
             DefaultRuntimeDir {dir}\nMutex sem\nDocumentRoot {dir}/www\nTypesConfig /dev/null\nAddType application/x-mms-framed .asf\n\
             <Directory {dir}/www>\n{require}</Directory>\nProxyRequests On\n<Proxy *>\n{require}</Proxy>\n",
            names.iter().map(load).collect::<String>(),
            dir = dir.path().display(),
        );
        std::fs::write(at("conf"), text).unwrap();
        open_to_all(dir.path());
        let mut command = Command::new(need_bin("apache2"));
        command.arg("-DFOREGROUND").arg("-f").arg(at("conf")).stdin(Stdio::null());
        command.stderr(Stdio::piped());
        let mut process = command.spawn().expect("apache2 runs");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let apache = Self { process, addr, _dir: dir };
        assert!(log.by_ref().any(|line| line.contains("resuming normal operations")), "apache2 did not come up");
        // What else it says must not stop it.
        std::thread::spawn(move || log.for_each(drop));
        apache
    }
}

/// The workers of a server that root started are somebody else.
fn open_to_all(dir: &Path) {
    let opened = Command::new("chmod").args(["-R", "a+rX"]).arg(dir).status().unwrap();
    assert!(opened.success());
}

fn md5_hex(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn read(url: &str, config: Config) -> Result<(), OpenError> {
    let client = Client::new(Url::parse(url).unwrap(), config);
    let mut session = client.open().await?;
    session.play(0).await?;
    for number in 0..film().packets() {
        assert_eq!(session.read().await.unwrap().expect("a packet").data, film().packet(number));
    }
    Ok(())
}

fn user(password: &str) -> Option<Arc<dyn mms_proto::client::Authenticator>> {
    Some(Arc::new(Credentials::new(USER, Some(Secret::new(password).unwrap()))))
}

#[tokio::test]
async fn apache_knows_us_as_a_server_and_as_a_proxy() {
    let origin = Server::builder().film("/clip.asf", film()).start().unwrap();
    for scheme in ["Basic", "Digest"] {
        let apache = Apache::start(&origin, scheme).await;
        let own = format!("mmsh://{}/clip.asf", apache.addr);
        let other = origin.url("mmsh", "/clip.asf");
        for (password, works) in [(PASSWORD, true), ("wrong", false)] {
            let mut config = Config::default();
            config.authenticator = user(password);
            let result = read(&own, config).await;
            assert_eq!(result.is_ok(), works, "{scheme} {result:?}");

            let mut config = Config::default();
            config.proxy = Some(Target { host: apache.addr.ip().to_string(), port: apache.addr.port() });
            config.proxy_authenticator = user(password);
            let result = read(&other, config).await;
            assert_eq!(result.is_ok(), works, "{scheme} by proxy {result:?}");
        }
    }
}

/// The NTLM server of Samba, which knows one user; without a domain controller, a daemon and files of the system.
fn ntlm_auth(protocol: &str) -> Command {
    let (root, work) = (servers_root(), std::env::temp_dir());
    let libraries = ["", "/samba"].map(|folder| format!("{}/usr/lib/x86_64-linux-gnu{folder}", root.display()));
    let mut command = Command::new(need_bin("ntlm_auth"));
    command
        .env("LD_LIBRARY_PATH", libraries.join(":"))
        .args(["--configfile=/dev/null", &format!("--helper-protocol={protocol}")]);
    for folder in ["state directory", "private dir", "lock directory", "cache directory"] {
        command.arg(format!("--option={folder}={}", work.display()));
    }
    let names = [("username", USER), ("domain", DOMAIN), ("password", PASSWORD)];
    command.args(names.map(|(name, value)| format!("--{name}={value}")));
    command.stderr(Stdio::null());
    command
}

/// Of a server that tells its time, Samba checks the MIC.
#[tokio::test]
async fn samba_knows_us_and_a_stranger_not() {
    let server = Server::builder().film("/clip.asf", film()).start().unwrap();
    let ntlm: fn() -> Command = || ntlm_auth("squid-2.5-ntlmssp");
    // It takes a token of NTLM that is not wrapped for Negotiate, as we promise ourselves of Windows.
    let negotiate: fn() -> Command = || ntlm_auth("gss-spnego");
    for (scheme, helper) in [("NTLM", ntlm), ("Negotiate", negotiate)] {
        let habits = Habits { helper: Some(helper), ..Habits::of(&[Scheme::Ntlm(scheme, true)]) };
        let gate = Gate::before(server.mmsh_addr(), habits).await;
        for (name, password, works) in [
            (USER, PASSWORD, true),
            ("Domain\\User", PASSWORD, true),
            (USER, "wrong", false),
            ("Domain\\User", "", false),
        ] {
            let mut config = Config::default();
            config.authenticator = Some(Arc::new(Credentials::new(name, Some(Secret::new(password).unwrap()))));
            let result = read(&format!("mmsh://{}/clip.asf", gate.addr), config).await;
            assert_eq!(result.is_ok(), works, "{scheme} {name} {password} {result:?}");
        }
    }
}
