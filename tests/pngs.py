"""PNGs of every kind, written here: bit depths, colour types, interlacing, filters, transparency (PNG third edition)."""

import random
import struct
import zlib

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def promising(width, height):
    """The beginning of a PNG of so many pixels in true colour, which have 5 MB at most; none of them is in it."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, RGB, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + struct.pack(">I", 5_000_000) + b"IDAT"


def pack_row(samples, depth):
    if depth == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    per, out = 8 // depth, bytearray()
    for i in range(0, len(samples), per):
        byte = 0
        for k, v in enumerate(samples[i : i + per]):
            byte |= v << (8 - depth * (k + 1))
        out.append(byte)
    return bytes(out)


def paeth(a, b, c):
    p = a + b - c
    near = sorted(((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c)))
    return near[0][2]


def filtered(kind, row, above, bpp):
    out = bytearray((kind,))
    for i, x in enumerate(row):
        a, b, c = row[i - bpp] if i >= bpp else 0, above[i], above[i - bpp] if i >= bpp else 0
        out.append((x - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255)
    return bytes(out)


def scanlines(rows, depth, channels):
    """Each row by the next of the five filters."""
    bpp, out, above = max(1, depth * channels // 8), b"", None
    for y, samples in enumerate(rows):
        row = pack_row(samples, depth)
        out += filtered(y % 5, row, above or bytes(len(row)), bpp)
        above = row
    return out


def png(width, height, colour, depth, samples, interlace=False, before=b""):
    """samples: rows of width * channels numbers. before: chunks that go before the pixels, PLTE and tRNS too."""
    n = CHANNELS[colour]
    data = b""
    for x0, y0, dx, dy in ADAM7 if interlace else ((0, 0, 1, 1),):
        rows = [[v for x in range(x0, width, dx) for v in samples[y][x * n : x * n + n]] for y in range(y0, height, dy)]
        if rows and rows[0]:
            data += scanlines(rows, depth, n)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    packed = zlib.compress(data)
    pieces = [packed[i : i + 700] for i in range(0, len(packed), 700)]
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + b"".join(chunk(b"IDAT", p) for p in pieces) +
            chunk(b"IEND", b""))


def noise(width, height, colour, depth, most=None, seed=7):
    rng = random.Random(seed)
    most = (1 << depth) - 1 if most is None else most
    return [[rng.randint(0, most) for _ in range(width * CHANNELS[colour])] for _ in range(height)]


def unfiltered(kind, row, above, bpp):
    out = bytearray(row)
    for i, x in enumerate(row):
        a, b, c = out[i - bpp] if i >= bpp else 0, above[i], above[i - bpp] if i >= bpp else 0
        out[i] = (x + (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255
    return bytes(out)


def chunks(data):
    at, out = 8, []
    while at < len(data):
        n = struct.unpack(">I", data[at : at + 4])[0]
        body = data[at + 8 : at + 8 + n]
        assert struct.unpack(">I", data[at + 8 + n : at + 12 + n])[0] == zlib.crc32(data[at + 4 : at + 8] + body)
        out.append((data[at + 4 : at + 8], body))
        at += 12 + n
    return out


def read16(data):
    """(width, height, colour, rows of samples) of a 16-bit PNG that is not interlaced."""
    parts = chunks(data)
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", parts[0][1])
    assert (depth, rest) == (16, [0, 0, 0])
    raw = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    n, rows, above = width * CHANNELS[colour] * 2, [], None
    assert len(raw) == height * (n + 1)
    for y in range(height):
        line = raw[y * (n + 1) : (y + 1) * (n + 1)]
        above = unfiltered(line[0], line[1:], above or bytes(n), CHANNELS[colour] * 2)
        rows.append(struct.unpack(f">{n // 2}H", above))
    return width, height, colour, rows
