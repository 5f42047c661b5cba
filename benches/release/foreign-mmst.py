#!/usr/bin/env python3
"""foreign-mmst.py CLONE [ROUNDS]     Release tier, by hand: segfetch beside a server of MMST and MMSU that nobody here wrote.

CLONE is a copy of github.com/zefie/zefie_wtvp_minisrv, whose WTVMMS serves films to WebTV boxes; it needs Node. It stamps the packets of
every stream alike, or, told so, as it is asked to; it takes padding off; it sends what stands behind the packets as one packet more. A film is made by
ffmpeg, fetched over 1, 4 and 8 sessions by both ways, and compared with the original up to the end of its packets. Exit 1 if
anything differs or is missing.

Needs cargo build --release -p segfetch-cli, node, ffmpeg.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

from lab import SEGFETCH, free_port, markdown

# WTVMMS asks its caller for little more than where the files are.
CALLER = r"""
const path = require('path'), fs = require('fs'), net = require('net');
const [file, vault, port, options] = process.argv.slice(2);
const loaded = require(file), Server = loaded.WTVMMS || loaded;
const shared = { path, fs, getAbsolutePath: (dir, vault) => path.resolve(vault, dir), makeSafePath: (base, name) => path.join(base, name) };
const service = { servicevault_dir: '.', udp_port: +port, ...JSON.parse(options) };
const config = { config: { ServiceVaults: [vault] }, services: { mms: service } };
new Server(config, 'mms', shared, () => {}, net).listen(+port, '127.0.0.1').on('listening', () => console.log('ready'));
"""


def packets_end(film):
    """Where the Data Object of a file ends: what is sent of it."""
    at = struct.unpack_from("<Q", film, 16)[0]
    return at + struct.unpack_from("<Q", film, at + 16)[0]


def serve(clone, folder, options):
    port = free_port()
    # It looks for the package.json of its own program beside the caller.
    caller = os.path.join(folder, "caller.js")
    with open(caller, "w") as script:
        script.write(CALLER)
    with open(os.path.join(folder, "package.json"), "w") as package:
        json.dump({"version": "0.0.1"}, package)
    module = os.path.join(os.path.abspath(clone), "zefie_wtvp_minisrv/includes/classes/WTVMMS.js")
    server = subprocess.Popen(["node", caller, module, folder, str(port), json.dumps(options)], stdout=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        sys.exit("WTVMMS does not start")
    return server, port


def main(clone, rounds):
    rows, bad = [], 0
    with tempfile.TemporaryDirectory() as folder:
        film = os.path.join(folder, "film.wmv")
        source = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=15:duration=40", "-f", "lavfi", "-i", "sine=duration=40"]
        subprocess.run(["ffmpeg", "-v", "error", *source, "-c:v", "wmv2", "-b:v", "300k", "-c:a", "wmav2", film], check=True)
        with open(film, "rb") as made:
            original = made.read()
        original = original[: packets_end(original)]
        for mode in ("auto", "incarnation"):
            # A packet every 10 ms, which is as fast as it goes.
            server, port = serve(clone, folder, {"pacing_multiplier": 0.001, "media_packet_id_mode": mode})
            for scheme in ("mmst", "mmsu"):
                for sessions in (1, 4, 8):
                    right, began = 0, time.monotonic()
                    for _ in range(rounds):
                        out = os.path.join(folder, "out.wmv")
                        url = f"{scheme}://127.0.0.1:{port}/film.wmv"
                        subprocess.run([SEGFETCH, "-q", "--raw", "-n", str(sessions), "-o", out, url], timeout=120)
                        if os.path.exists(out):
                            with open(out, "rb") as got:
                                right += got.read() == original
                            os.unlink(out)
                        for left in (out + ".part", out + ".part.sfj"):
                            if os.path.exists(left):
                                os.unlink(left)
                    bad += rounds - right
                    rows.append([mode, scheme, sessions, f"{right}/{rounds}", "%.1f" % ((time.monotonic() - began) / rounds)])
            server.kill()
            server.wait()
    print(markdown(["stamps", "over", "sessions", "right", "wall s"], rows), end="")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1))
