#!/usr/bin/env python3
"""away.py [--away SECONDS]     Release tier, by hand, as root: the server goes away for a minute in the middle of a download.

segfetch fetches a file from a vsftpd that delivers 8 MB/s in all. Half-way the server is killed with all its sessions, and started again
on the same port a minute later. The command has to go on by itself, and to end with 0 and the right SHA-256. Two of them run at the same
time, each with a server of its own: one as a person runs it, whose lines are printed as they were shown, and one with --json, which
tells how many bytes came again. Exit code 1 if a file is wrong, if a command ended otherwise, or if more than --again came twice.
"""
import argparse
import json
import os
import shutil
import tempfile
import threading
import time

from lab import Vsftpd, Watched, markdown, sha256, write_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--away", type=float, default=60)
parser.add_argument("--length", type=int, default=400_000_000)
parser.add_argument("--rate", type=int, default=8_000_000, help="bytes per second of all connections together")
parser.add_argument("-n", "--connections", type=int, default=4)
parser.add_argument("--again", type=int, default=1 << 20, help="most bytes that may come twice")
o = parser.parse_args()

RETURN = 30  # most seconds from the server's return to the first byte: the longest pause between attempts, its jitter, and a login


def interrupt(original, folder, options):
    """One download: the run, its exit code, the file, and when the server went and came."""
    os.makedirs(folder)
    out = os.path.join(folder, "f")
    server = Vsftpd(os.path.dirname(original), o.rate // o.connections)
    run = Watched(server.url(os.path.basename(original)), "-o", out, "-n", str(o.connections), *options)
    time.sleep(o.length / o.rate / 2)
    server.kill()
    gone = run.elapsed()
    before = server.delivered_so_far()
    time.sleep(o.away)
    server.run()
    back = run.elapsed()
    code = run.wait(RETURN + 3 * o.length / o.rate)
    took = run.elapsed()
    after = server.delivered() - before
    server.stop()
    return {"run": run, "code": code, "out": out, "gone": gone, "back": back, "took": took, "after": after}


def main():
    base = tempfile.mkdtemp(prefix="segfetch-away-")
    root = os.path.join(base, "root")
    os.chmod(base, 0o755)
    os.mkdir(root)
    original = os.path.join(root, "original")
    write_file(original, o.length, 1)
    found = {}

    def one(name, options):
        found[name] = interrupt(original, os.path.join(base, name), options)

    threads = [threading.Thread(target=one, args=work) for work in (("person", []), ("program", ["--json"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    person, program = found["person"], found["program"]
    print("%.0f MB at %.0f MB/s over %d connections; server away from %.1f s to %.1f s. Shown to a person:\n" % (o.length / 1e6, o.rate / 1e6, o.connections, person["gone"], person["back"]))
    print("".join("    %6.1f s  %s\n" % line for line in person["run"].lines))
    events = [(at, json.loads(line)) for at, line in program["run"].lines]
    done = next((event for _, event in events if event["event"] == "done"), {"fetched": o.length, "retries": 0, "opens": 0})
    again = done["fetched"] - o.length
    resumed = min((at for at, event in events if event["event"] == "opened" and at > program["back"]), default=float("inf"))
    wanted, bad = sha256(original), resumed - program["back"] > RETURN or again > o.again
    rows = []
    for name, one_run in found.items():
        right = os.path.exists(one_run["out"]) and sha256(one_run["out"]) == wanted
        bad |= one_run["code"] != 0 or not right
        rows.append([name, one_run["code"], "equal" if right else "**other**", "%.1f" % one_run["took"], "%.1f" % (one_run["after"] / 1e6)])
    print(markdown(["run", "exit code", "SHA-256", "wall s", "MB delivered after the return"], rows))
    print("bytes that came again: %d; first stream %.1f s after the return; %d retries, %d streams in all" % (again, resumed - program["back"], done["retries"], done["opens"]))
    shutil.rmtree(base)
    exit(1 if bad else 0)


main()
