#!/usr/bin/env python3
"""kill-loop.py CLIENT... [--kills N] [--http | --mms SCHEME]     Release tier, by hand, as root: downloads that are killed again and again.

Each client fetches a file from a vsftpd, or nginx, that delivers 10 MB/s in all. It gets SIGKILL after a uniform 0.2 to 4 s and the same command
is run again, until the file is there; it is compared with the original, removed, and the next one begins; N kills in all, and the last
file is let finish. Clients: segfetch aria2 lftp axel, and aria2-1s lftp-1s axel-1s, which save their state each second. Each client
has a server of its own; with --parallel they run at the same time. Writes a markdown table to stdout.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from lab import Mms, Nginx, Vsftpd, markdown, same, start, write_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("client", nargs="+")
parser.add_argument("--kills", type=int, default=1000)
parser.add_argument("--length", type=int, default=400_000_000)
parser.add_argument("--rate", type=int, default=10_000_000, help="bytes per second of all connections together")
parser.add_argument("-n", "--connections", type=int, default=4)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--http", action="store_true", help="from nginx instead of vsftpd")
parser.add_argument("--mms", metavar="SCHEME", help="from the embedded server of mms-proto, over mmst, mmsh or mmsu; segfetch alone")
parser.add_argument("--parallel", action="store_true")
parser.add_argument("--folder", help="where files are written (default: a temporary directory)")
o = parser.parse_args()

MOST_FAILURES = 3  # runs in a row that end with an error before a person removes the files, and begins again


def torment(client, original, folder):
    """One row of the table."""
    os.makedirs(folder)
    length = o.length
    if o.mms:
        server = Mms(o.mms, "--mib", str(o.length >> 20), "--rate", str(o.rate // o.connections), "--served", original)
        length = os.path.getsize(original)
    else:
        server = (Nginx if o.http else Vsftpd)(os.path.dirname(original), o.rate // o.connections)
    uniform = random.Random(o.seed).uniform
    out = os.path.join(folder, "f")
    kills = done = wrong = errors = failed_in_row = stuck = 0
    gave_up = ""

    def clear():
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and ".wrong-" not in name:
                os.unlink(path)

    began = time.monotonic()
    killing = time.monotonic()
    while True:
        if kills >= o.kills and time.monotonic() - killing > 6 * o.length / o.rate:
            gave_up = "does not finish"
            break
        run = start(client, server.url(os.path.basename(original)), out, o.connections)
        try:
            run.communicate(timeout=uniform(0.2, 4) if kills < o.kills else 6 * o.length / o.rate)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            if kills < o.kills:
                kills += 1
                killing = time.monotonic()
            continue
        if run.returncode != 0:
            errors += 1
            failed_in_row += 1
            if failed_in_row >= MOST_FAILURES:
                stuck += 1
                failed_in_row = 0
                clear()
            continue
        failed_in_row = 0
        if same(out, original):
            done += 1
        else:
            wrong += 1
            shutil.copy(out, out + ".wrong-%d" % wrong) if wrong == 1 and o.folder else None
        clear()
        if kills >= o.kills:
            break
    wall = time.monotonic() - began
    delivered = server.delivered()
    logins, untold = server.logins(), server.untold()
    server.stop()
    again = (delivered - done * length) / max(kills, 1)
    return [client, kills, done, wrong, errors, stuck, "%.2f" % (again / 1e6), untold, logins, "%.0f" % wall, gave_up]


def main():
    base = tempfile.mkdtemp(prefix="segfetch-kill-", dir=o.folder)
    root = os.path.join(base, "root")
    os.chmod(base, 0o755)
    os.mkdir(root)
    original = os.path.join(root, "original")
    write_file(original, o.length, o.seed)
    rows = {}

    def one(client):
        rows[client] = torment(client, original, os.path.join(base, client))
        print(*rows[client], file=sys.stderr, flush=True)

    threads = [threading.Thread(target=one, args=(client,)) for client in o.client]
    for thread in threads:
        thread.start()
        if not o.parallel:
            thread.join()
    for thread in threads:
        thread.join()
    print("%.0f MB by %s at %.0f MB/s over %d connections, SIGKILL after a uniform 0.2 to 4 s\n" % (o.length / 1e6, o.mms or ("HTTP" if o.http else "FTP"), o.rate / 1e6, o.connections))
    heads = ["client", "kills", "right files", "wrong files", "runs with an error", "stuck, files removed", "MB delivered again per kill", "downloads not counted", "logins or requests", "wall s", "given up"]
    print(markdown(heads, [rows[client] for client in o.client if client in rows]), end="", flush=True)
    shutil.rmtree(base)
    exit(any(row[3] for row in rows.values()))


main()
