#!/usr/bin/env python3
"""changed-remote.py CLIENT... [--http]     Release tier, by hand, as root: the file on the server becomes another one half-way.

Each client fetches a file from vsftpd, or nginx, is killed in the middle, the file on the server is replaced, and the same command is run again;
in the case "renamed over" it is not killed, and the new file takes the name while the old one is being fetched. Outcomes: correct-new,
correct-old, mixed (bytes of both under the final name, exit 0), error (exit code; "left" says what is under the final name). Clients:
segfetch aria2-1s lftp-1s axel-1s curl. Writes a markdown table to stdout.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from lab import Nginx, Vsftpd, markdown, same, start, write_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("client", nargs="+")
parser.add_argument("--length", type=int, default=64_000_000)
parser.add_argument("--rate", type=int, default=8_000_000, help="bytes per second of all connections together")
parser.add_argument("--http", action="store_true", help="from nginx instead of vsftpd")
parser.add_argument("-n", "--connections", type=int, default=4)
o = parser.parse_args()

YESTERDAY, NOW = 1_700_000_000, 1_700_086_400  # times of the old file and of the new one
CASES = {
    "same length, other time": (1.0, NOW),
    "same length, same time": (1.0, YESTERDAY),
    "renamed over during the run": (1.0, NOW),
    "shorter": (0.75, NOW),
    "longer": (1.25, NOW),
}


def outcome(client, case, base):
    folder = os.path.join(base, client.replace("-", "_") + "-" + case.replace(" ", "-").replace(",", ""))
    root = os.path.join(folder, "root")
    os.makedirs(root)
    part, new_time = CASES[case]
    old, new, served, out = (os.path.join(folder, name) for name in ("old", "new", "root/served", "f"))
    write_file(old, o.length, 1)
    write_file(new, int(o.length * part), 2)
    shutil.copy(old, served)
    os.utime(served, (YESTERDAY, YESTERDAY))
    server = (Nginx if o.http else Vsftpd)(root, o.rate // (1 if client == "curl" else o.connections))
    half, patience = o.length / o.rate / 2, 10 * o.length / o.rate

    def replace():
        fresh = os.path.join(root, ".fresh")
        shutil.copy(new, fresh)
        os.utime(fresh, (new_time, new_time))
        os.rename(fresh, served)

    run = start(client, server.url("served"), out, o.connections)
    said, code = b"", None
    try:
        said, _ = run.communicate(timeout=half)
        code = "ended before the change"
    except subprocess.TimeoutExpired:
        if case != "renamed over during the run":
            run.send_signal(signal.SIGKILL)
            run.communicate()
            replace()
            run = start(client, server.url("served"), out, o.connections)
        else:
            replace()
        try:
            said, _ = run.communicate(timeout=patience)
            code = run.returncode
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            code = "hangs"
    content = "new" if same(out, new) else "old" if same(out, old) else "mixed" if os.path.exists(out) else "nothing"
    server.stop()
    shutil.rmtree(folder)
    note = ", says unverified" if b"nverified" in said else ""
    if code != 0:
        return "error (%s), left: %s%s" % (code, content, note)
    return {"mixed": "**mixed**", "nothing": "exit 0 and nothing"}.get(content, "correct-" + content) + note


def main():
    base = tempfile.mkdtemp(prefix="segfetch-changed-")
    os.chmod(base, 0o755)
    table = {}

    def one(client):
        for case in CASES:
            table[client, case] = outcome(client, case, base)
            print(client, case, table[client, case], sep=": ", file=sys.stderr, flush=True)

    threads = [threading.Thread(target=one, args=(client,)) for client in o.client]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [[client] + [table.get((client, case), "?") for case in CASES] for client in o.client]
    print(markdown(["client"] + list(CASES), rows), end="")
    shutil.rmtree(base)
    exit(any("mixed**" in row for row in table.values()))


main()
