"""What the release scripts share: a vsftpd of their own, the clients' command lines, files."""
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SERVERS = os.environ.get("SEGFETCH_SERVERS", "/opt/segfetch-servers")
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEGFETCH = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target")), "release", "segfetch")


def program(name):
    unpacked = os.path.join(SERVERS, "usr/sbin", name)
    found = unpacked if os.access(unpacked, os.X_OK) else shutil.which(name)
    return found or exit("%s is not installed: run .ci/servers as root" % name)


class Vsftpd:
    """Serves `root` to anonymous users on a free port, each data connection capped at `rate` bytes per second."""

    def __init__(self, root, rate):
        self.work = tempfile.mkdtemp(prefix="segfetch-release-")
        os.mkdir(self.path("empty"))
        os.chmod(root, 0o755)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
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
max_per_ip=0
log_ftp_protocol=YES
xferlog_enable=YES
vsftpd_log_file={self.path("log")}
""")
        with open(self.path("out"), "w+") as out:  # it reports errors on descriptor 0
            self.process = subprocess.Popen([program("vsftpd"), self.path("conf")], stdin=out, stdout=out, stderr=out, start_new_session=True)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    exit("vsftpd: " + open(self.path("out")).read())
                time.sleep(0.01)
        exit("vsftpd does not listen")

    def path(self, name):
        return os.path.join(self.work, name)

    def url(self, name):
        return "ftp://127.0.0.1:%d/%s" % (self.port, name)

    def sessions(self):
        pid = self.process.pid
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            return len(children.read().split())

    def delivered(self):
        """Bytes of all downloads, once no session is left that could add to them."""
        while self.sessions():
            time.sleep(0.05)
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

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.work)


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


def markdown(heads, rows):
    lines = [heads, ["---"] * len(heads)] + rows
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
