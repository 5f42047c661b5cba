"""libmms.py URL BYTES [POSITION]: what libmms reads from there, on the standard output, at most so many bytes."""

import ctypes
import os
import sys

url, most = sys.argv[1].encode(), int(sys.argv[2])
mms = ctypes.CDLL("libmms.so.0")
mms.mms_get_default_io_impl.restype = ctypes.c_void_p
mms.mmsx_connect.restype = ctypes.c_void_p
mms.mmsx_connect.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
mms.mmsx_read.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
mms.mmsx_seek.restype = ctypes.c_int64
mms.mmsx_seek.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int]

io = mms.mms_get_default_io_impl()
there = mms.mmsx_connect(io, None, url, 1_000_000_000)
if not there:
    sys.exit("not connected")
if len(sys.argv) > 3 and mms.mmsx_seek(io, there, int(sys.argv[3]), os.SEEK_SET) != int(sys.argv[3]):
    sys.exit("not there")
buffer = ctypes.create_string_buffer(65536)
while most > 0:
    got = mms.mmsx_read(io, there, buffer, min(most, len(buffer)))
    if got <= 0:
        break
    sys.stdout.buffer.write(buffer.raw[:got])
    sys.stdout.buffer.flush()
    most -= got
