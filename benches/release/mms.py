#!/usr/bin/env python3
"""mms.py cpu|pace|bytes [FILE...]     Release tier, by hand: segfetch and libmms fetch from the embedded server of mms-proto, in one run.

cpu    CPU seconds per GiB and peak memory over loopback, as fast as it goes, over MMST and MMSH
pace   a server that sends at the pace of the media: how long 1 and 8 sessions take, in parts of the playing time
bytes  how many bytes of the file differ from the original's: segfetch, libmms and ffmpeg, where the server zeroes padding and where it
       removes it. Of the FILEs, or of a film that is made.

Needs cargo build --release -p segfetch-cli -p segfetch-benches, libmms0, ffmpeg, gcc. Writes markdown tables to stdout.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from lab import SEGFETCH, Mms, markdown

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["cpu", "pace", "bytes"])
parser.add_argument("files", nargs="*")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--mib", type=int, help="length of the film (cpu: 1024, pace: 4, bytes: 4)")
o = parser.parse_args()

# Declared here, so that no header of libmms is needed.
GETTER = r"""
#include <stdint.h>
#include <stdio.h>
typedef struct mmsx mmsx_t;
void *mms_get_default_io_impl(void);
mmsx_t *mmsx_connect(void *io, void *data, const char *url, int bandwidth);
int mmsx_read(void *io, mmsx_t *session, char *data, int len);
void mmsx_close(mmsx_t *session);
int main(int argc, char **argv) {
  static char data[1 << 16];
  void *io = mms_get_default_io_impl();
  mmsx_t *session = mmsx_connect(io, 0, argv[1], 1000000000);
  FILE *out = fopen(argv[2], "wb");
  int n;
  if (!session || !out) return 1;
  setvbuf(out, 0, _IONBF, 0);
  while ((n = mmsx_read(io, session, data, sizeof data)) > 0)
    if (fwrite(data, 1, n, out) != (size_t)n) return 2;
  mmsx_close(session);
  return fclose(out) ? 3 : 0;
}
"""


def build_getter(folder):
    path = os.path.join(folder, "libmms-get")
    with open(path + ".c", "w") as source:
        source.write(GETTER)
    subprocess.run(["gcc", "-O2", "-o", path, path + ".c", "-l:libmms.so.0"], check=True)
    return path


def timed(*command, limit=600):
    """Wall time, CPU seconds, peak memory in MiB; None if it fails."""
    began = time.monotonic()
    try:
        run = subprocess.run(["/usr/bin/time", "-f", "%U %S %M", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    if run.returncode:
        return None
    user, system, kib = map(float, run.stderr.split()[-3:])
    return time.monotonic() - began, user + system, kib / 1024


def clients(getter, out):
    yield "segfetch -n 1", lambda url: [SEGFETCH, "-q", "-n", "1", "-o", out, url]
    yield "segfetch -n 8", lambda url: [SEGFETCH, "-q", "-n", "8", "-o", out, url]
    yield "mms-proto alone", lambda url: [os.path.join(os.path.dirname(SEGFETCH), "mms_get"), url, out]
    yield "libmms", lambda url: [getter, url, out]


def identical(out, served):
    return os.path.exists(out) and subprocess.run(["cmp", "-s", out, served]).returncode == 0


def cpu(folder):
    getter, out, served = build_getter(folder), os.path.join(folder, "f"), os.path.join(folder, "served")
    rows = []
    for scheme in ("mmst", "mmsh"):
        # Nothing is stripped, so that everybody can be right.
        server = Mms(scheme, "--mib", str(o.mib or 1024), "--strip", "keep", "--served", served)
        gib = os.path.getsize(served) / (1 << 30)
        figures = {}
        for turn in range(o.rounds):
            everybody = list(clients(getter, out))
            # Each round begins with another one: the first pays for memory that the host has taken back.
            first = turn % len(everybody)
            for name, command in everybody[first:] + everybody[:first]:
                if os.path.exists(out):
                    os.unlink(out)
                figure = timed(*command(server.url()))
                figures.setdefault(name, []).append((figure, identical(out, served)))
        server.stop()
        for name, all_of in figures.items():
            good = [figure for figure, _ in all_of if figure]
            middle = [statistics.median(column) for column in zip(*good)] if good else [float("nan")] * 3
            right = "%d/%d" % (sum(same for _, same in all_of), len(all_of))
            rows.append([scheme, name, right, "%.2f" % (middle[1] / gib), "%.2f" % (middle[0] / gib), "%.1f" % middle[2]])
    print(markdown(["over", "client", "right", "CPU s/GiB", "wall s/GiB", "RSS MiB"], rows), end="")


def pace(folder):
    getter, out, served = build_getter(folder), os.path.join(folder, "f"), os.path.join(folder, "served")
    rows = []
    for scheme in ("mmst", "mmsh"):
        server = Mms(scheme, "--mib", str(o.mib or 4), "--play", "1", "--strip", "keep", "--served", served)
        playing = float(server.facts["play_seconds"])
        for name, command in clients(getter, out):
            if os.path.exists(out):
                os.unlink(out)
            figure = timed(*command(server.url()), limit=3 * playing)
            rows.append([scheme, name, identical(out, served), "%.1f" % playing, *(["%.1f" % figure[0], "%.4f" % (figure[0] / playing)] if figure else ["failed", ""])])
        server.stop()
    print(markdown(["over", "client", "right", "plays s", "wall s", "wall / playing time"], rows), end="")


def different(out, served):
    """Bytes that differ, and bytes that are too many or missing."""
    with open(out, "rb") as one, open(served, "rb") as other:
        a, b = one.read(), other.read()
    return sum(x != y for x, y in zip(a, b)), len(a) - len(b)


def bytes_(folder):
    getter, out, served = build_getter(folder), os.path.join(folder, "f"), os.path.join(folder, "served")
    rows = []
    for film in o.files or [None]:
        for strip in ("zero", "remove"):
            for scheme in ("mmst", "mmsh"):
                source = ["--film", film] if film else ["--mib", str(o.mib or 4)]
                server = Mms(scheme, *source, "--strip", strip, "--served", served)
                row = [os.path.basename(film or "a film"), strip, scheme]
                ffmpeg = ["timeout", "-s", "KILL", "20", "ffmpeg", "-nostdin", "-v", "quiet", "-y", "-f", "data", "-i", server.url(), "-map", "0", "-c", "copy", "-f", "data", out]
                for command in ([SEGFETCH, "-q", "-n", "4", "-o", out, server.url()], [getter, server.url(), out], ffmpeg):
                    if os.path.exists(out):
                        os.unlink(out)
                    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
                    row.append("%d, %+d" % different(out, served) if os.path.exists(out) else "nothing")
                server.stop()
                rows.append(row)
    print(markdown(["file", "padding", "over", "segfetch: differ, length", "libmms", "ffmpeg"], rows), end="")


work = tempfile.mkdtemp(prefix="segfetch-mms-")
try:
    {"cpu": cpu, "pace": pace, "bytes": bytes_}[o.what](work)
finally:
    shutil.rmtree(work)
