//! The honest server judged by clients that nobody here wrote: what they download must be the file, byte for byte.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ftp_proto::testing::{Fault, File, HostileServer, Personality, Script, Server, ServerBuilder, When, content_at};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Enough for four segments of aria2's smallest piece, and not a multiple of anything.
const LEN: u64 = (9 << 20) + 4321;
const SEED: u64 = 77;
const PATH: &str = "/pub/dir/big.bin";

fn presets() -> [Personality; 5] {
    [
        Personality::plain(),
        Personality::vsftpd(),
        Personality::proftpd(),
        Personality::pure_ftpd(),
        Personality::pyftpdlib(),
    ]
}

/// Clients block, so servers run on a runtime of their own.
struct Lab {
    server: Server,
    clients: Clients,
    runtime: Runtime,
}

/// Where clients run and what they fetch.
struct Clients {
    addr: SocketAddr,
    url: String,
    dir: TempDir,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl Lab {
    fn new(builder: ServerBuilder) -> Lab {
        let runtime = runtime();
        let server = builder.file(PATH, File::generated(LEN, SEED)).start_on(runtime.handle()).unwrap();
        let clients = Clients::new(server.addr(), server.url(PATH));
        Lab { server, clients, runtime }
    }

    fn download(&self, client: &[&str]) {
        self.clients.download(client);
        // The next client finds all slots free.
        let closed = self.server.wait_for(|counters| counters.sessions == 0);
        self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), closed).await }).unwrap();
    }
}

impl Clients {
    fn new(addr: SocketAddr, url: String) -> Clients {
        Clients { addr, url, dir: tempfile::tempdir().unwrap() }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// Runs a client with its `{places}` filled in and returns what it printed. A client that is missing, hangs or fails is a failure.
    fn run(&self, client: &[&str]) -> String {
        let places = [
            ("{url}", self.url.clone()),
            ("{parent}", self.url[..=self.url.rfind('/').unwrap()].to_owned()),
            ("{out}", self.out().display().to_string()),
            ("{dir}", self.dir.path().display().to_string()),
            ("{ip}", self.addr.ip().to_string()),
            ("{port}", self.addr.port().to_string()),
            ("{path}", PATH.to_owned()),
        ];
        let filled =
            |word: &&str| places.iter().fold((*word).to_owned(), |word, (key, value)| word.replace(key, value));
        let output = Command::new("timeout")
            .arg("120")
            .args(client.iter().map(filled))
            .stdin(Stdio::null())
            // Neither proxies nor the user's own settings.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let [printed, complaint] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{client:?}: {}\n{printed}\n{complaint}", output.status);
        printed
    }

    /// Runs a client and compares the file that it has made; removes it.
    fn download(&self, client: &[&str]) {
        self.run(client);
        let mut file = std::fs::File::open(self.out()).unwrap();
        let (mut got, mut expected) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let mut offset = 0;
        loop {
            let n = file.read(&mut got).unwrap();
            if n == 0 {
                break;
            }
            content_at(SEED, offset, &mut expected[..n]);
            assert!(got[..n] == expected[..n], "{client:?}: the file differs after {offset}");
            offset += n as u64;
        }
        assert_eq!(offset, LEN, "{client:?}");
        std::fs::remove_file(self.out()).unwrap();
    }

    /// Leaves the first bytes of the file where a client will find them.
    fn leave(&self, len: u64) {
        let mut part = vec![0; len as usize];
        content_at(SEED, 0, &mut part);
        std::fs::write(self.out(), part).unwrap();
    }
}

const CURL: &[&str] = &["curl", "-sS", "-o", "{out}", "{url}"];
const WGET: &[&str] = &["wget", "-nv", "-O", "{out}", "{url}"];
const LFTP: &[&str] = &["lftp", "-c", "get {url} -o {out}"];
const LFTP_PGET: &[&str] = &["lftp", "-c", "pget -n 4 {url} -o {out}"];
const ARIA2: &[&str] =
    &["aria2c", "-q", "--file-allocation=none", "-x4", "-s4", "-k1M", "-d", "{dir}", "-o", "out", "{url}"];
const AXEL: &[&str] = &["axel", "-q", "-n", "4", "-o", "{out}", "{url}"];
const FTPLIB: &[&str] = &[
    "python3",
    "-c",
    "import ftplib
ftp = ftplib.FTP()
ftp.connect('{ip}', {port}, 60)
ftp.login()
with open('{out}', 'wb') as out:
    ftp.retrbinary('RETR {path}', out.write)
ftp.quit()",
];

#[test]
fn every_client_downloads_the_file_from_every_preset() {
    for personality in presets() {
        let lab = Lab::new(Server::builder().personality(personality));
        for client in [CURL, WGET, LFTP, LFTP_PGET, ARIA2, AXEL, FTPLIB] {
            lab.download(client);
        }
    }
}

#[test]
fn clients_come_over_ipv6_and_through_single_steps_of_cwd() {
    let lab = Lab::new(Server::builder().ipv6());
    for client in [CURL, WGET, LFTP_PGET, FTPLIB] {
        lab.download(client);
    }
    let lab = Lab::new(Server::builder().single_component_names());
    // wget, axel and lftp change into /pub/dir in one step.
    for client in [CURL, ARIA2] {
        lab.download(client);
    }
}

#[test]
fn odd_names_reach_the_server_as_they_are() {
    for name in [
        &b"a b"[..],
        b" lead",
        b"-x",
        b"#?;%2F+&",
        b"\"quo\"ted\"",
        b"[*]{x}",
        b"caf\xe9",
        b"\xff\xff",
        "\u{42f}".as_bytes(),
    ] {
        for personality in [Personality::vsftpd(), Personality::pure_ftpd()] {
            let mut lab = Lab::new(Server::builder().personality(personality));
            let path = [b"/odd dir/", name].concat();
            lab.server.put(&path, File::generated(LEN, SEED));
            lab.clients.url = lab.server.url(&path);
            lab.download(CURL);
            // lftp doubles 0xff, which these two servers take literally.
            if !name.contains(&0xff) {
                lab.download(LFTP);
            }
        }
    }
}

#[test]
fn clients_that_segment_have_their_streams_side_by_side() {
    // Slow enough that no segment is over before the last one starts.
    for client in [LFTP_PGET, ARIA2, AXEL] {
        let lab = Lab::new(Server::builder().rate(1 << 20).send_buffer(16 << 10));
        lab.download(client);
        let counters = lab.server.counters();
        assert_eq!(counters.max_data_open, 4, "{client:?}: {counters:?}");
        assert!(counters.bytes_sent >= LEN);
    }
}

#[test]
fn clients_resume_where_they_left_off() {
    const HAVE: u64 = LEN / 2 + 1;
    for personality in presets() {
        let lab = Lab::new(Server::builder().personality(personality));
        for client in [
            &["curl", "-sS", "-C", "-", "-o", "{out}", "{url}"][..],
            &["wget", "-nv", "-c", "-O", "{out}", "{url}"],
            &["lftp", "-c", "get -c {url} -o {out}"],
            &["aria2c", "-q", "-c", "--file-allocation=none", "-d", "{dir}", "-o", "out", "{url}"],
        ] {
            let before = lab.server.counters().bytes_sent;
            lab.clients.leave(HAVE);
            lab.download(client);
            let sent = lab.server.counters().bytes_sent - before;
            // aria2 does not trust the last, incomplete piece of 1 MiB, and lftp the last bytes of a file that may be padded.
            assert!((LEN - HAVE..LEN - HAVE + (1 << 20)).contains(&sent), "{client:?}: {sent} bytes");
        }
    }
}

#[test]
fn clients_that_ask_for_eight_finish_under_a_limit_of_four_wherever_it_shows() {
    for personality in [Personality::vsftpd(), Personality::proftpd()] {
        for client in [
            &["lftp", "-c", "pget -n 8 {url} -o {out}"][..],
            &["aria2c", "-q", "--file-allocation=none", "-x8", "-s8", "-k1M", "-d", "{dir}", "-o", "out", "{url}"],
        ] {
            let builder = Server::builder().personality(personality).max_connections(4);
            let lab = Lab::new(builder.rate(1 << 20).send_buffer(16 << 10));
            lab.download(client);
            let counters = lab.server.counters();
            assert_eq!(counters.max_open, 4, "{client:?}: {counters:?}");
            assert!(counters.refusals > 0, "{client:?}: {counters:?}");
        }
    }
}

#[test]
fn listings_are_understood() {
    for personality in presets() {
        let lab = Lab::new(Server::builder().personality(personality).file("/pub/dir/sub/x", File::bytes("x")));
        assert_eq!(lab.clients.run(&["curl", "-sS", "-l", "{parent}"]), "big.bin\nsub\n");
        let sizes = lab.clients.run(&["lftp", "-c", "open {parent}; cls -1 --size --block-size=1 --sort=name"]);
        let words: Vec<_> = sizes.split_whitespace().collect();
        assert!(words.contains(&LEN.to_string().as_str()) && sizes.contains("sub/"), "{sizes}");
    }
    let lab = Lab::new(Server::builder());
    let facts = lab.clients.run(&[
        "python3",
        "-c",
        "import ftplib
ftp = ftplib.FTP()
ftp.connect('{ip}', {port}, 60)
ftp.login()
for name, facts in ftp.mlsd('/pub/dir'):
    print(name, facts['type'], facts['size'], facts['modify'])",
    ]);
    assert_eq!(facts, format!("big.bin file {LEN} 20240229123456\n"));
}

#[test]
fn abor_behind_urgent_data_is_heard() {
    for personality in presets() {
        let lab = Lab::new(Server::builder().personality(personality).send_buffer(4096));
        let replies = lab.clients.run(&[
            "python3",
            "-c",
            "import ftplib, socket
ftp = ftplib.FTP()
ftp.connect('{ip}', {port}, 60)
ftp.login()
data = ftp.transfercmd('RETR {path}')
data.recv(1)
ftp.sock.sendall(b'\\xff\\xf4\\xff')
ftp.sock.send(b'\\xf2', socket.MSG_OOB)
ftp.sock.sendall(b'ABOR\\r\\n')
data.close()
print([ftp.getmultiline()[:3] for _ in range(2)])
print(ftp.voidcmd('NOOP'))",
        ]);
        assert!(replies.contains("\n200 "), "{replies}");
    }
}

#[test]
fn a_scripted_honest_server_satisfies_foreign_clients_too() {
    let runtime = runtime();
    let _guard = runtime.enter();
    for start in [HostileServer::start, HostileServer::start_ipv6] {
        let server = start(vec![Script::honest(File::generated(LEN, SEED))]).unwrap();
        let clients = Clients::new(server.addr(), server.url(PATH));
        for client in [CURL, WGET, LFTP, FTPLIB] {
            clients.download(client);
        }
    }
}

#[test]
fn curl_is_fooled_by_an_ignored_offset_and_a_false_226_so_the_faults_are_those_of_real_servers() {
    let lab = Lab::new(Server::builder());
    lab.server.fault(When::Nth(1), Fault::REST_IGNORED);
    lab.clients.leave(1000);
    lab.clients.run(&["curl", "-sS", "-C", "-", "-o", "{out}", "{url}"]);
    let spoilt = std::fs::read(lab.clients.out()).unwrap();
    assert_eq!(spoilt[..1000], spoilt[1000..2000], "the start of the file came again");

    lab.server.fault(When::Always, Fault::WrongSize(-100));
    lab.clients.run(CURL);
    assert_eq!(std::fs::metadata(lab.clients.out()).unwrap().len(), LEN - 100);
}
