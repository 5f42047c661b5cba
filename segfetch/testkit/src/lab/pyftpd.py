"""An FTP server made of pyftpdlib, with faults to switch on. Started by the test kit; also runs by hand: pyftpd.py --help

Appends one line per event to LOG: "seconds session WORD rest", where session is a number of this server's own.
"""
import argparse
import os
import random
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")  # asyncore is deprecated, and this is about FTP
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, ThrottledDTPHandler
from pyftpdlib.servers import FTPServer

parser = argparse.ArgumentParser()
parser.add_argument("log")
parser.add_argument("addr")
parser.add_argument("port", type=int)
parser.add_argument("root")
parser.add_argument("--pasv", default="0-0", help="LO-HI")
parser.add_argument("--user", help="NAME:PASSWORD, instead of anonymous")
parser.add_argument("--rate", type=int, default=0, help="bytes per second of one data connection")
parser.add_argument("--max-per-ip", type=int, default=0)
parser.add_argument("--without", action="append", default=[], metavar="CMD", help="a command that this server does not know")
fault = parser.add_argument_group("faults: habits of real servers, or a cut wire")
fault.add_argument("--no-tvfs", action="store_true", help="FEAT does not list TVFS")
fault.add_argument("--drop-after", type=int, help="close the data connection after N bytes of each RETR, reply 426")
fault.add_argument("--drop-clean-after", type=int, help="the same but reply 226: a short file that claims success")
fault.add_argument("--drop-share", type=float, default=1.0, help="share of transfers that the faults after N bytes befall")
fault.add_argument("--stall-after", type=int, help="send N bytes of each RETR, then nothing, connection open")
fault.add_argument("--kill-control-after", type=int, help="drop control and data after N bytes")
fault.add_argument("--rest-ignored", action="store_true", help="REST is answered 350 but the file comes from byte 0")
fault.add_argument("--wrong-size", type=int, default=0, help="SIZE is off by D bytes")
fault.add_argument("--ascii-size", action="store_true", help="SIZE is refused in TYPE A")
fault.add_argument("--pasv-address", help="address that PASV announces")
fault.add_argument("--delay", type=float, default=0, help="seconds before every reply")
fault.add_argument("--login-421", type=int, help="421 after PASS for every login past N at a time")
fault.add_argument("--busy-share", type=float, default=0, help="RETR is answered 450 with this probability")
fault.add_argument("--mutate", type=float, help="set the time of every served file each S seconds")
o = parser.parse_args()

random.seed(1)
log = open(o.log, "a", buffering=1)
last_session = 0


def note(session, word, rest=""):
    log.write("%.6f %d %s %s\n" % (time.time(), session, word, rest))


class Data(ThrottledDTPHandler if o.rate else DTPHandler):
    read_limit = write_limit = o.rate
    ac_out_buffer_size = max(1024, min(65536, o.rate // 20 or 65536))
    sent_so_far = 0
    faulty = None
    due = 0

    def _throttle_bandwidth(self, length, rate):
        """Evenly; pyftpdlib's own sends a second's worth at once and then is silent for two."""
        now = time.monotonic()
        self.due = max(self.due, now) + length / rate
        if self.due - now > 0.005 and not self.sleeping:
            self.sleeping = True
            self.del_channel()
            self._throttler = self.ioloop.call_later(self.due - now, self.wake, _errback=self.handle_error)

    def wake(self):
        self.sleeping = False
        self.add_channel(events=self.ioloop.READ if self.receive else self.ioloop.WRITE)

    def send(self, data):
        sent = super().send(data)
        self.sent_so_far += sent or 0
        if self.faulty is None:
            self.faulty = random.random() < o.drop_share
        if self.faulty and not self._closed:
            self.misbehave()
        return sent

    def misbehave(self):
        if o.stall_after is not None and self.sent_so_far >= o.stall_after:
            self.wake = lambda: None
            self.del_channel()  # no longer polled, socket still open
        elif o.kill_control_after is not None and self.sent_so_far >= o.kill_control_after:
            self.cmd_channel.close()
        elif o.drop_after is not None and self.sent_so_far >= o.drop_after:
            self._resp = ("426 Connection closed; transfer aborted.", self.log)
            self.close()
        elif o.drop_clean_after is not None and self.sent_so_far >= o.drop_clean_after:
            self._resp = ("226 Transfer complete.", self.log)
            self.close()

    def close(self):
        if not self._closed and self.file_obj is not None and not self.receive:
            taken = self.get_elapsed_time()
            how = "ok" if self.transfer_finished else "aborted"
            note(self.cmd_channel.number, "SENT", "%.6f %d %s %s" % (taken, self.tot_bytes_sent, how, self.file_obj.name))
        super().close()


class Session(FTPHandler):
    dtp_handler = Data
    banner = "pyftpdlib ready."
    max_login_attempts = 5
    auth_failed_timeout = 0
    use_sendfile = not o.rate and all(
        n is None for n in (o.drop_after, o.drop_clean_after, o.stall_after, o.kill_control_after))
    proto_cmds = {name: how for name, how in FTPHandler.proto_cmds.items() if name not in o.without}
    number = 0

    def handle(self):
        global last_session
        last_session += 1
        self.number = last_session
        note(self.number, "CONNECT", "%s" % self.remote_ip)
        super().handle()

    def handle_max_cons_per_ip(self):
        note(0, "REFUSED")
        super().handle_max_cons_per_ip()

    def on_disconnect(self):
        note(self.number, "DISCONNECT")

    def on_login(self, username):
        note(self.number, "LOGIN", "ok " + username)

    def on_login_failed(self, username, password):
        note(self.number, "LOGIN", "failed " + username)

    def pre_process_command(self, line, cmd, arg):
        note(self.number, "COMMAND", "PASS" if cmd == "PASS" else line)
        super().pre_process_command(line, cmd, arg)

    def push(self, text):
        if o.no_tvfs:
            text = text.replace(" TVFS\r\n", "")
        super().push(text)

    def respond(self, resp, logfun=None):
        time.sleep(o.delay)
        super().respond(resp, logfun or (lambda message: None))

    def ftp_REST(self, line):
        super().ftp_REST(line)
        if o.rest_ignored:
            self._restart_position = 0

    def ftp_SIZE(self, path):
        if o.ascii_size and self._current_type == "a":
            self.respond("550 SIZE not allowed in ASCII mode.")
        elif o.wrong_size and os.path.isfile(path):
            self.respond("213 %d" % (os.path.getsize(path) + o.wrong_size))
        else:
            super().ftp_SIZE(path)

    def ftp_RETR(self, path):
        if random.random() < o.busy_share:
            self.respond("450 File busy, try again.")
            return None
        return super().ftp_RETR(path)

    def ftp_PASS(self, line):
        logged_in = sum(getattr(other, "authenticated", False) for other in list(self.ioloop.socket_map.values()))
        if o.login_421 is not None and logged_in >= o.login_421:
            note(self.number, "REFUSED")
            self.respond("421 Too many users.")
            self.close_when_done()
        else:
            super().ftp_PASS(line)


def mutate():
    while True:
        time.sleep(o.mutate)
        for folder, _, names in os.walk(o.root):
            for name in names:
                os.utime(os.path.join(folder, name))


accounts = DummyAuthorizer()
if o.user:
    name, password = o.user.split(":", 1)
    accounts.add_user(name, password, o.root, perm="elrmwMT")
else:
    accounts.add_anonymous(o.root, perm="elrmwMT")
Session.authorizer = accounts
low, high = map(int, o.pasv.split("-"))
Session.passive_ports = range(low, high + 1) if low else None
Session.masquerade_address = o.pasv_address
try:
    server = FTPServer((o.addr, o.port), Session)
except OSError as error:
    sys.exit("pyftpd: cannot listen on %s port %d: %s" % (o.addr, o.port, error.strerror))
server.max_cons = 512
server.max_cons_per_ip = o.max_per_ip
if o.mutate:
    threading.Thread(target=mutate, daemon=True).start()
server.serve_forever()
