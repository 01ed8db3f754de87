"""Small files that promise or unpack to much: answered from the header where it says so, and never at others' cost."""

import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from client import http
from samples import encoded

MIB = 1 << 20
WORKER_MEMORY = 96
SANITIZED = any(s in os.environ.get("PIXPOOL_BUILD", "") for s in ("asan", "tsan"))  # they hold a multiple


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows=None, before=b"", interlaced=0):
    """8-bit RGB of zeroes, deflated in pieces; rows: how many of them are there."""
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)) + before
    z, data = zlib.compressobj(9), b""
    for _ in range(height if rows is None else rows):
        data += z.compress(b"\0" * (1 + 3 * width))
    return out + chunk(b"IDAT", data + z.flush()) + chunk(b"IEND", b"")


def jpeg(width=64, height=64, segments=b""):
    """A sound one with more segments behind SOI, and another size in its frame header."""
    j = bytearray(encoded(Image.new("RGB", (64, 64), "red"), format="JPEG"))
    sof = j.index(b"\xff\xc0")
    j[sof + 5 : sof + 9] = struct.pack(">HH", height, width)
    return bytes(j[:2]) + segments + bytes(j[2:])


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def webp(width, height):
    """VP8L's header says 14 bits a side."""
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + b"\0" * 40
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunks(n):
    """A sound one, extended, with many chunks that nobody knows."""
    still = encoded(Image.new("RGB", (32, 32), "blue"), format="WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<IIHBHB", 10, 0, 31, 0, 31, 0) + (b"junk" + struct.pack("<I", 0)) * n + still
    return b"RIFF" + struct.pack("<I", len(body)) + body


ICC_BOMB = chunk(b"iCCP", b"bomb\0\0" + zlib.compress(b"\0" * (200 * MIB), 9))
TEXT_BOMB = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(b"\0" * (200 * MIB), 9))

BOMBS = {
    "png promises 4 gigapixels": (lambda: png(64250, 64250, rows=1), {422}),
    "jpeg promises 4 gigapixels": (lambda: jpeg(64250, 64250), {422}),
    "webp promises 268 megapixels": (lambda: webp(16383, 16383), {422}),
    "png of 36 megapixels of nothing": (lambda: png(6000, 6000), {200}),
    "png whose frame does not fit": (lambda: png(9000, 9000, rows=10, interlaced=1), {422}),
    "png with 200,000 empty chunks": (lambda: png(20, 20, before=chunk(b"tIMe", b"") * 200_000), {200, 422}),
    "png whose profile unpacks to 200 MB": (lambda: png(20, 20, before=ICC_BOMB), {200, 422}),
    "png whose text unpacks to 200 MB": (lambda: png(20, 20, before=TEXT_BOMB), {200, 422}),
    "jpeg with 8 MB of EXIF": (lambda: jpeg(segments=segment(0xE1, b"Exif\0\0" + b"\0" * 65000) * 128), {200, 422}),
    "jpeg with 8 MB of profile": (
        lambda: jpeg(segments=b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 128]) + b"\0" * 65000)
                                       for i in range(1, 129))), {200, 422}),
    "jpeg with 100,000 comments": (lambda: jpeg(segments=segment(0xFE, b"") * 100_000), {200, 415, 422}),
    "jpeg of fill bytes": (lambda: b"\xff\xd8" + b"\xff" * 4_000_000, {415, 422}),
    "webp with 100,000 chunks": (lambda: webp_chunks(100_000), {200, 415, 422}),
}


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(workers=1, worker_memory=f"{WORKER_MEMORY}M", deadline="60s")


def peak(pid):
    """The most that a process ever had resident, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_and_hurts_nobody(server, name):
    make, allowed = BOMBS[name]
    data = make()
    worker = server.workers()
    a = http("POST", f"{server.url}/api/images/process?w=30&format=jpeg", data, {"Content-Type": "image/png"})
    assert a.status in allowed, a.body[:300]
    (server.root / "bomb").write_bytes(data)
    assert http("GET", f"{server.url}/img/bomb?w=30&format=jpeg").status == a.status
    assert server.workers() == worker, "it lives, and went on to the next"
    assert peak(worker[0]) < WORKER_MEMORY + 64 or SANITIZED
    assert http("GET", f"{server.url}/img/photo.jpg?w=30").status == 200
