"""What the release scripts share: a vsftpd and an nginx of their own, the clients' command lines, files."""
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

SERVERS = os.environ.get("SEGFETCH_SERVERS", "/opt/segfetch-servers")
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEGFETCH = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target")), "release", "segfetch")


def program(name):
    unpacked = os.path.join(SERVERS, "usr/sbin", name)
    found = unpacked if os.access(unpacked, os.X_OK) else shutil.which(name)
    return found or exit("%s is not installed: run .ci/servers as root" % name)


class Vsftpd:
    """Serves `root` to anonymous users on a free port, each data connection capped at `rate` bytes per second; 0 as `max_per_ip` is no limit."""

    def __init__(self, root, rate, max_per_ip=0):
        self.work = tempfile.mkdtemp(prefix="segfetch-release-")
        os.mkdir(self.path("empty"))
        os.chmod(root, 0o755)
        self.port = free_port()
        with open(self.path("conf"), "w") as conf:
            conf.write(f"""background=NO
listen=YES
listen_ipv6=NO
listen_address=127.0.0.1
listen_port={self.port}
anonymous_enable=YES
local_enable=NO
no_anon_password=YES
ftp_username=daemon
anon_root={root}
anon_world_readable_only=NO
secure_chroot_dir={self.path("empty")}
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
allow_writeable_chroot=YES
connect_from_port_20=NO
anon_max_rate={rate}
max_per_ip={max_per_ip}
log_ftp_protocol=YES
xferlog_enable=YES
vsftpd_log_file={self.path("log")}
""")
        self.run()

    def run(self):
        """Starts it, or starts it again on its port."""
        with open(self.path("out"), "w+") as out:  # it reports errors on descriptor 0
            self.process = subprocess.Popen([program("vsftpd"), self.path("conf")], stdin=out, stdout=out, stderr=out, start_new_session=True)
        until_listening("vsftpd", self.port, self.process, self.path("out"))

    def path(self, name):
        return os.path.join(self.work, name)

    def url(self, name):
        return "ftp://127.0.0.1:%d/%s" % (self.port, name)

    def sessions(self):
        return len(children(self.process.pid))

    def delivered(self):
        """Bytes of all downloads, once no session is left that could add to them."""
        while self.sessions():
            time.sleep(0.05)
        return self.delivered_so_far()

    def delivered_so_far(self):
        """Bytes of all downloads that have ended, but for those of sessions that were killed."""
        with open(self.path("log"), errors="replace") as log:
            numbers = re.findall(r'(?:OK|FAIL) DOWNLOAD: Client .*, (\d+) bytes, [0-9.]+Kbyte/sec$', log.read(), re.MULTILINE)
        return sum(map(int, numbers))

    def untold(self):
        """Downloads that began and whose bytes were never logged: vsftpd dies of a control connection's reset before it has done so."""
        with open(self.path("log"), errors="replace") as log:
            text = log.read()
        return text.count('"150 Opening ') - len(re.findall(r"(?:OK|FAIL) DOWNLOAD: .*, \d+ bytes, ", text))

    def logins(self):
        with open(self.path("log"), errors="replace") as log:
            return log.read().count(" OK LOGIN: ")

    def refused(self):
        """Connections that were refused because their address had too many."""
        with open(self.path("log"), errors="replace") as log:
            return log.read().count('FTP response: Client "127.0.0.1", "421 ')

    def kill(self):
        """Ends it with all its sessions, two processes each, as a power loss would."""
        self.process.send_signal(signal.SIGSTOP)  # no session begins any more
        sessions = children(self.process.pid)
        for pid in [of_session for session in sessions for of_session in children(session)] + sessions + [self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended by itself
                pass
        self.process.wait()

    def stop(self):
        self.kill()
        shutil.rmtree(self.work)


class Nginx:
    """Serves `root` over HTTP on a free port, each connection capped at `rate` bytes per second."""

    def __init__(self, root, rate):
        self.work = tempfile.mkdtemp(prefix="segfetch-release-")
        os.chmod(root, 0o755)
        self.port = free_port()
        temporary = "".join("%s_temp_path %s;" % (kind, self.path(kind)) for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.path("conf"), "w") as conf:
            conf.write(f"""daemon off; master_process off; user root; pid {self.path("pid")}; error_log {self.path("error")};
events {{ worker_connections 256; }}
http {{
  {temporary}
  log_format bytes "$body_bytes_sent"; access_log {self.path("log")} bytes;
  server {{ listen 127.0.0.1:{self.port}; root {root}; limit_rate {rate}; }}
}}
""")
        self.process = subprocess.Popen([program("nginx"), "-e", self.path("error"), "-c", self.path("conf")], stdin=subprocess.DEVNULL)
        until_listening("nginx", self.port, self.process, self.path("error"))

    def path(self, name):
        return os.path.join(self.work, name)

    def url(self, name):
        return "http://127.0.0.1:%d/%s" % (self.port, name)

    def delivered(self):
        """Bytes of all bodies, once the last connection is over."""
        while self.process.poll() is None and connections(self.port):
            time.sleep(0.05)
        with open(self.path("log")) as log:
            return sum(map(int, log))

    def logins(self):
        with open(self.path("log")) as log:
            return len(log.readlines())

    def untold(self):
        return 0

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.work)


class Mms:
    """The embedded server of mms-proto in a process of its own; `scheme` is the way in which `url` leads to it."""

    def __init__(self, scheme, *options):
        self.process = subprocess.Popen([os.path.join(os.path.dirname(SEGFETCH), "mms_server"), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.facts = {}
        self.scheme = scheme
        while True:
            line = self.process.stdout.readline().split()
            if not line:
                exit("mms_server does not start: cargo build --release -p segfetch-benches")
            if line == ["ready"]:
                break
            self.facts[line[0]] = line[1]

    def url(self, _name=None):
        return self.facts[self.scheme]

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().split()

    def counters(self):
        return [int(number) for number in self.ask("counters")]

    def delivered(self):
        """Bytes of all packets, once the last connection is over."""
        while self.counters()[2]:
            time.sleep(0.05)
        return self.counters()[0]

    def logins(self):
        return self.counters()[1]

    def untold(self):
        return 0

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def until_listening(name, port, process, said):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.01)
    with open(said) as text:
        exit("%s does not listen: %s" % (name, text.read()))


def connections(port):
    """Established connections of a local port."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[1].endswith(":%04X" % port) and row[3] == "01" for row in rows)


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as listed:
            return [int(child) for child in listed.read().split()]
    except FileNotFoundError:
        return []


class Watched:
    """A running segfetch, whose lines are kept with the seconds since its start."""

    def __init__(self, *arguments):
        self.began = time.monotonic()
        self.lines = []
        self.process = subprocess.Popen([SEGFETCH, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append((self.elapsed(), line.rstrip("\n")))

    def elapsed(self):
        return time.monotonic() - self.began

    def wait(self, timeout):
        """The exit code; a run that takes longer is killed, and has none."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self.reader.join()
        return code


def command(client, url, out, connections, home):
    """A client's command line, the same for the first run and for going on. `-1s`: state saved each second instead of by default."""
    n = str(connections)
    folder, name = os.path.split(out)
    quick = client.endswith("-1s")
    aria2 = ["aria2c", "-q", "--no-conf", "--file-allocation=none", "--auto-file-renaming=false", "-c", "-x" + n, "-s" + n, "-k1M", "-d", folder, "-o", name, url]
    with open(os.path.join(home, ".axelrc"), "w") as rc:
        rc.write("save_state_interval = 1\n" if quick else "")
    return {
        "segfetch": [SEGFETCH, url, "-o", out, "-n", n],
        "aria2": aria2,
        "aria2-1s": aria2[:1] + ["--auto-save-interval=1"] + aria2[1:],
        "lftp": ["lftp", "-c", f"pget -c -n {n} -O {folder} {url} -o {name}"],
        "lftp-1s": ["lftp", "-c", f"set pget:save-status 1s; pget -c -n {n} -O {folder} {url} -o {name}"],
        "axel": ["axel", "-q", "-n", n, "-o", out, url],
        "axel-1s": ["axel", "-q", "-n", n, "-o", out, url],
        "curl": ["curl", "-sS", "-C", "-", "-o", out, url],
    }[client]


def start(client, url, out, connections):
    home = os.path.join(os.path.dirname(out), ".home-" + client)
    os.makedirs(home, exist_ok=True)
    return subprocess.Popen(command(client, url, out, connections, home), env=dict(os.environ, HOME=home), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def write_file(path, length, seed):
    generator = random.Random(seed)
    with open(path, "wb") as out:
        for start_of in range(0, length, 1 << 20):
            out.write(generator.randbytes(min(1 << 20, length - start_of)))


def same(path, other):
    return os.path.exists(path) and subprocess.run(["cmp", "-s", path, other]).returncode == 0


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def markdown(heads, rows):
    lines = [heads, ["---"] * len(heads)] + rows
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
