#!/usr/bin/env python3
"""slots.py     Release tier, by hand, as root: a server that grants four connections, of which others hold two for a while.

vsftpd with max_per_ip=4; a client of plain sockets logs in twice and stays. segfetch -n 8 gets two connections. After --hold seconds
the other client leaves, and segfetch has to find that out by itself: it tries one connection more a minute after the last refusal (and
up to a quarter more, by chance), and if that is granted, another one after the same time again. Prints the control connections that
the kernel knows of, whenever their number changes, beside the events. Exit code 1 if the file is wrong, if there were more connections
than the server had left, fewer than four when both minutes and their quarters are over, or more refusals than --refusals.
"""
import argparse
import json
import os
import shutil
import socket
import tempfile
import time

from lab import Vsftpd, Watched, sha256, write_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--hold", type=float, default=20, help="seconds after which the other client leaves")
parser.add_argument("--length", type=int, default=280_000_000)
parser.add_argument("--rate", type=int, default=400_000, help="bytes per second of each connection")
parser.add_argument("--refusals", type=int, default=4, help="most refusals")
o = parser.parse_args()

LIMIT, HELD = 4, 2
PROBE = 75  # most seconds from a refusal, or a connection more, to the next attempt
SLACK = 10  # for a login on a busy machine
SAMPLE = 0.1


def log_in(port):
    """A session that does nothing."""
    session = socket.create_connection(("127.0.0.1", port))
    replies = session.makefile("rw", newline="\r\n")
    heard = [replies.readline()]
    replies.write("USER anonymous\r\n")
    replies.flush()
    heard.append(replies.readline())
    if [reply[:3] for reply in heard] != ["220", "230"]:
        exit("the other client is not let in: %s" % heard)
    return session


def control_connections(pid, port):
    """Established connections of a process to a port of 127.0.0.1."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    sockets = {"socket:[%s]" % row[9] for row in rows if row[2] == "0100007F:%04X" % port and row[3] == "01"}
    folder, count = "/proc/%d/fd" % pid, 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(os.path.join(folder, name)) in sockets
        except FileNotFoundError:  # closed meanwhile
            pass
    return count


def main():
    base = tempfile.mkdtemp(prefix="segfetch-slots-")
    root = os.path.join(base, "root")
    os.chmod(base, 0o755)
    os.mkdir(root)
    original, out = os.path.join(root, "original"), os.path.join(base, "f")
    write_file(original, o.length, 1)
    server = Vsftpd(root, o.rate, max_per_ip=LIMIT)
    others = [log_in(server.port) for _ in range(HELD)]
    run = Watched(server.url("original"), "-o", out, "-n", "8", "--json")
    seen, freed = [], None  # (seconds, connections) whenever the number has been another one for two samples
    last = None
    give_up = 3 * o.length / o.rate
    while run.process.poll() is None and run.elapsed() < give_up:
        if freed is None and run.elapsed() >= o.hold:
            for session in others:
                session.close()
            freed = run.elapsed()
        try:
            now = control_connections(run.process.pid, server.port)
        except (FileNotFoundError, PermissionError):  # it has just ended
            break
        # An attempt that is refused is a connection too, for a moment.
        if now == last and (not seen or seen[-1][1] != now):
            seen.append((run.elapsed(), now))
        last = now
        time.sleep(SAMPLE)
    code = run.wait(60)
    took = run.elapsed()
    right = os.path.exists(out) and sha256(out) == sha256(original)
    refused = server.refused()
    server.stop()

    events = [(at, json.loads(line)) for at, line in run.lines]
    throttled = [at for at, event in events if event["event"] == "throttled"]
    lines = [(at, "%d control connections" % count) for at, count in seen]
    lines += [(at, "refused, %(granted)d granted: %(message)s" % event) for at, event in events if event["event"] == "throttled"]
    lines += [(at, "stream at byte %(start)d" % event) for at, event in events if event["event"] == "opened"]
    lines += [(freed, "the other client leaves")] if freed else []
    before = max((count for at, count in seen if at < (freed or took)), default=0)
    most = max((count for _, count in seen), default=0)
    full = next((at for at, count in seen if count == LIMIT), None)
    due = throttled[0] + 2 * PROBE + SLACK if throttled else 0
    for at, text in sorted(lines):
        print("%7.1f s  %s" % (at, text))
    print("\nexit code %s after %.1f s, SHA-256 %s; %d refusals told, %d by the server's log" % (code, took, "equal" if right else "OTHER", len(throttled), refused))
    print("connections: %d at most while %d were held, %d at most in all, %d %s" % (before, HELD, most, LIMIT, "%.1f s after the others left" % (full - freed) if full and freed else "never"))
    shutil.rmtree(base)
    sound = code == 0 and right and before == LIMIT - HELD and most == LIMIT and max(len(throttled), refused) <= o.refusals
    exit(0 if sound and freed and full and full <= due else 1)


main()
