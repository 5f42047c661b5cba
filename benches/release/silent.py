#!/usr/bin/env python3
"""silent.py     Release tier, by hand: a server that sends all of a file, closes the data connection, and never says 226.

A few lines of Python play the server, which hangs like that at each RETR; whether it knows SIZE is the difference between the two
cases. With a length all bytes are there, and the file is right as soon as the last word has been waited for (10 s). Without one nothing
proves that this was all: the command gives up after its patience (at least four attempts of 10 s) with 3, and gives the name to nothing.
Prints what was shown, and the times. Exit code 1 if a command ended otherwise, or took longer than --most.
"""
import argparse
import os
import shutil
import socket
import tempfile
import threading

from lab import Watched, sha256, write_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--length", type=int, default=20_000_000)
parser.add_argument("--most", type=float, default=75, help="seconds that a command may take")
o = parser.parse_args()


def session(control, content, knows_length):
    """Answers as an old server would, until the end of a transfer; from then on it only listens."""
    say = lambda line: control.sendall(line.encode() + b"\r\n")
    offset, silent, listener = 0, False, None
    say("220 ready")
    for line in control.makefile("r", newline="\r\n"):
        verb, _, argument = line.strip().partition(" ")
        if silent:
            continue
        if verb == "USER":
            say("331 password")
        elif verb == "PASS":
            say("230 in")
        elif verb == "TYPE":
            say("200 binary")
        elif verb == "SIZE" and knows_length:
            say("213 %d" % len(content))
        elif verb == "EPSV":
            listener = socket.create_server(("127.0.0.1", 0))
            say("229 at (|||%d|)" % listener.getsockname()[1])
        elif verb == "REST":
            offset = int(argument)
            say("350 from there")
        elif verb == "RETR":
            say("150 sending")
            data, _ = listener.accept()
            listener.close()
            try:
                data.sendall(content[offset:])
                silent = True
            except OSError:  # the client has all that it wants of this one
                say("426 closed")
            data.close()
            offset = 0
        else:
            say("500 what?")


def serve(listener, content, knows_length):
    while True:
        control, _ = listener.accept()
        threading.Thread(target=session, args=(control, content, knows_length), daemon=True).start()


def main():
    base = tempfile.mkdtemp(prefix="segfetch-silent-")
    original = os.path.join(base, "original")
    write_file(original, o.length, 1)
    with open(original, "rb") as file:
        content = file.read()
    bad = False
    for what, knows_length, options, wanted in (("length known, 1 connection", True, ["-n", "1"], 0), ("length known, 4 connections", True, ["-n", "4"], 0),
                                                ("length unknown", False, ["--patience", "30s"], 3)):
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=serve, args=(listener, content, knows_length), daemon=True).start()
        out = os.path.join(base, "f")
        run = Watched("ftp://127.0.0.1:%d/original" % listener.getsockname()[1], "-o", out, *options)
        code = run.wait(o.most)
        took = run.elapsed()
        left = sorted(name for name in os.listdir(base) if name != "original")
        sound = code == wanted and (sha256(out) == sha256(original) and left == ["f"] if wanted == 0 else not os.path.exists(out))
        bad |= not sound
        print("%s: exit code %s after %.1f s, left: %s%s" % (what, code, took, " ".join(left), "" if sound else "  ** not as it should be **"))
        print("".join("    %6.1f s  %s\n" % line for line in run.lines))
        for name in left:
            os.unlink(os.path.join(base, name))
    shutil.rmtree(base)
    exit(1 if bad else 0)


main()
