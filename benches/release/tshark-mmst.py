#!/usr/bin/env python3
"""tshark-mmst.py     Release tier, by hand: a foreign dissector of MMST judges what segfetch and the embedded server say to each other.

A film that is sent at four times its pace is fetched over 4 sessions, so that there are seeks and stops. tshark names every message. Exit 1 if it
calls one malformed or unknown, or if one is missing that such a dialogue has.

Needs cargo build --release -p segfetch-cli -p segfetch-benches, tshark, and the right to capture on the loopback interface.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

from lab import SEGFETCH, Mms

DIALOGUE = [
    "--> Connect info", "<-- Server info", "--> Transport info", "<-- Transport info ack", "--> Request server file", "<-- Media details",
    "--> Header request", "<-- Sending header response", "--> Media Stream MBR selector", "<-- Stream selection indicator", "--> Start sending from:",
    "<-- Sending media file now", "--> Stop button pressed", "<-- End of media stream", "Data: ",
]


def dissected(capture, port, *rest):
    command = ["tshark", "-r", capture, "-d", f"tcp.port=={port},msmms", *rest]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        capture, out = os.path.join(folder, "capture"), os.path.join(folder, "film.asf")
        server = Mms("mmst", "--mib", "2", "--play", "4", "--strip", "zero")
        port = re.search(r":(\d+)/", server.url()).group(1)
        shark = subprocess.Popen(["tshark", "-i", "lo", "-f", f"tcp port {port}", "-w", capture], stderr=subprocess.PIPE, text=True)
        while "Capturing on" not in (line := shark.stderr.readline()):
            if not line:
                sys.exit("tshark captures nothing")
        while not os.path.exists(capture) or not os.path.getsize(capture):
            time.sleep(0.01)
        status = subprocess.run([SEGFETCH, "-q", "-n", "4", "-o", out, server.url()], timeout=120).returncode
        shark.terminate()
        shark.wait()
        server.stop()
        said = dissected(capture, port, "-Y", "msmms", "-T", "fields", "-e", "_ws.col.Info")
        bad = dissected(capture, port, "-Y", "msmms && (_ws.malformed || _ws.expert.severity == error)")
    named = {message: said.count(message) for message in DIALOGUE}
    for message, count in named.items():
        print(f"{count:4} {message}")
    unknown = [line for line in said.splitlines() if "Unknown" in line]
    for line in bad.splitlines() + unknown:
        print("BAD ", line)
    print(f"segfetch: exit {status}; malformed {len(bad.splitlines())}, unknown {len(unknown)}")
    return 1 if status or bad or unknown or not all(named.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
