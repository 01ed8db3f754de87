"""PNGs of every kind (tests/pngs.py), compared with what their samples mean, and with what Pillow reads; and the chunks
that say what colours mean."""

import io
import struct
import zlib

import pngs
import profiles
import pytest
from PIL import Image
from pngs import GREY, GREY_ALPHA, PALETTE, RGB, RGBA
from samples import scene
from test_colour import process, saved, worst

SIZES = [(1, 1), (1, 9), (9, 1), (19, 13)]
KINDS = [(c, d) for c, depths in pngs.DEPTHS.items() for d in depths]
COLOURS = [((i * 37) % 256, (i * 91 + 13) % 256, (i * 151 + 50) % 256) for i in range(256)]
ALPHAS = [(i * 67) % 256 for i in range(200)]


def to8(v, depth):
    return (v * 255 * 2 + (1 << depth) - 1) // (2 * ((1 << depth) - 1))


def meaning(colour, depth, samples, transparent=None):
    """RGBA of each pixel, in 8 bits. transparent: a sample or three, or for palettes a list of alphas."""
    n, out = pngs.CHANNELS[colour], []
    for row in samples:
        for x in range(0, len(row), n):
            px = row[x : x + n]
            if colour == PALETTE:
                alpha = transparent[px[0]] if transparent and px[0] < len(transparent) else 255
                out.append((*COLOURS[px[0]], alpha))
                continue
            v = [to8(s, depth) for s in px]
            alpha = v[-1] if colour in (GREY_ALPHA, RGBA) else 0 if transparent == tuple(px) else 255
            out.append((v[0],) * 3 + (alpha,) if colour in (GREY, GREY_ALPHA) else (*v[:3], alpha))
    return out


def palette(depth, transparent=None):
    entries = 1 << depth
    data = pngs.chunk(b"PLTE", bytes(v for c in COLOURS[:entries] for v in c))
    return data + (pngs.chunk(b"tRNS", bytes(transparent[:entries])) if transparent else b"")


def check(tmp_path, data, size, want, depth):
    with Image.open(io.BytesIO(data)) as im:
        if depth <= 8:  # Pillow cuts 16 bits off, and some of its modes have no RGBA
            assert list(im.convert("RGBA").getdata()) == want, "the test's own PNG is wrong"
    got, err = process(tmp_path, data, "format=png")
    assert got.size == size and "warning" not in err
    assert list(got.convert("RGBA").getdata()) == want


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("colour,depth", KINDS)
def test_every_kind(tmp_path, colour, depth, interlace):
    for width, height in SIZES:
        samples = pngs.noise(width, height, colour, depth)
        data = pngs.png(width, height, colour, depth, samples, interlace, palette(depth) if colour == PALETTE else b"")
        check(tmp_path, data, (width, height), meaning(colour, depth, samples), depth)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("colour,depth", [k for k in KINDS if k[0] in (GREY, RGB, PALETTE)])
def test_transparent_colours(tmp_path, colour, depth, interlace):
    width, height = 19, 13
    samples = pngs.noise(width, height, colour, depth)
    if colour == PALETTE:
        transparent = ALPHAS[: 1 << depth]
        before = palette(depth, transparent)
    else:
        transparent = tuple(samples[6][: pngs.CHANNELS[colour]])
        before = pngs.chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
        samples[0][: len(transparent)] = transparent
    data = pngs.png(width, height, colour, depth, samples, interlace, before)
    want = meaning(colour, depth, samples, transparent)
    got, _ = process(tmp_path, data, "format=png")
    assert list(got.convert("RGBA").getdata()) == want
    flat, _ = process(tmp_path, data, "format=png,bg=ff0000")
    over = Image.new("RGBA", (width, height), "red")
    image = Image.new("RGBA", (width, height))
    image.putdata(want)
    assert worst(flat, Image.alpha_composite(over, image)) <= 1


def test_sixteen_bits_are_rounded_not_cut(tmp_path):
    samples = [[v * 257 + d for v in (0, 100, 200, 254) for d in (0, 127, 129, 200)]]
    data = pngs.png(16, 1, GREY, 16, samples)
    got, _ = process(tmp_path, data, "format=png")
    assert list(got.getdata()) == [to8(v, 16) for v in samples[0]]


# Colour.


def ramp(before, colour=RGB):
    samples = [[v for v in range(0, 256, 5) for _ in range(pngs.CHANNELS[colour])]] * 3
    return pngs.png(52, 3, colour, 8, samples, False, before), [row[:: pngs.CHANNELS[colour]] for row in samples][0]


def gama(value):
    return pngs.chunk(b"gAMA", struct.pack(">I", round(value * 100000)))


def chrm(*xy):
    return pngs.chunk(b"cHRM", struct.pack(">8I", *(round(v * 100000) for v in xy)))


def srgb():
    return pngs.chunk(b"sRGB", b"\0")


def iccp(profile):
    return pngs.chunk(b"iCCP", b"a name\0\0" + zlib.compress(profile))


def encode(light):
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


SWAPPED_XY = (0.3127, 0.329, 0.15, 0.06, 0.64, 0.33, 0.3, 0.6)  # red means blue, green red, blue green


@pytest.mark.parametrize("colour", [RGB, GREY])
@pytest.mark.parametrize("gamma", [1.0, 0.7, 0.35])
def test_gama_is_honoured(tmp_path, gamma, colour):
    data, ramp_values = ramp(gama(gamma), colour)
    got, err = process(tmp_path, data, "format=png")
    assert got.mode == ("L" if colour == GREY else "RGB") and "warning" not in err
    for x, v in enumerate(ramp_values):
        for c in got.convert("RGB").getpixel((x, 1)):
            assert abs(c - encode((v / 255) ** (1 / gamma))) <= 1.6


@pytest.mark.parametrize("before", [gama(0.45455), srgb(), srgb() + gama(1.0), gama(1.0) + srgb(), gama(1.0) +
                                    iccp(profiles.rgb(profiles.SRGB, profiles.curve_srgb())), gama(0), gama(400),
                                    chrm(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), chrm(0, 0, 0, 0, 0, 0, 0, 0),
                                    pngs.chunk(b"cICP", b"\x09\x10\0\1")])
def test_what_means_srgb_or_nothing_changes_nothing(tmp_path, before):
    data, values = ramp(before)
    got, err = process(tmp_path, data, "format=png")
    assert [got.getpixel((x, 1)) for x in range(52)] == [(v, v, v) for v in values] and "warning" not in err


def test_primaries_are_honoured_and_profiles_go_first(tmp_path):
    def centre(before):
        data = pngs.png(8, 8, RGB, 8, [[200, 40, 90] * 8] * 8, False, before)
        return process(tmp_path, data, "format=png")[0].getpixel((4, 4))

    def near(a, b):
        return all(abs(x - y) <= 2 for x, y in zip(a, b))

    swapped = iccp(profiles.rgb(profiles.SWAPPED, profiles.curve_srgb()))
    assert near(centre(chrm(*SWAPPED_XY)), (40, 90, 200))
    assert near(centre(srgb() + chrm(*SWAPPED_XY)), (200, 40, 90))
    assert near(centre(swapped), (40, 90, 200))
    assert near(centre(swapped + srgb()), (40, 90, 200))
    assert near(centre(iccp(b"rubbish") + chrm(*SWAPPED_XY)), (40, 90, 200))


def test_kept_primaries_become_a_profile(tmp_path):
    from test_colour import to_srgb

    data, _ = ramp(gama(1.0))
    got, _ = process(tmp_path, data, "format=png,cs=keep")
    again, _ = process(tmp_path, data, "format=png,cs=keep", "again.png")
    assert (tmp_path / "o.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    shown, _ = process(tmp_path, data, "format=png", "shown.png")
    assert worst(to_srgb(got, got.info["icc_profile"]), shown) <= 1


def test_a_bomb_of_a_profile_is_ignored(tmp_path):
    """Its header tells of more than any profile has, or it holds more than its header tells."""
    huge = struct.pack(">I", 1 << 30) + bytes(64 << 20)
    for profile in (huge, struct.pack(">I", 5 << 20) + bytes(6 << 20), struct.pack(">I", 0) + bytes(1000)):
        data, values = ramp(iccp(profile))
        got, err = process(tmp_path, data, "format=png")
        assert "broken-profile" in err and got.getpixel((3, 1)) == (values[3],) * 3


# Truncated.


@pytest.mark.parametrize("interlace", (False, True))
def test_a_wrong_sum_of_the_stream_spoils_nothing(tmp_path, interlace):
    """Every chunk has a checksum of its own: what the stream's says beside them (Adler-32) is no reason to refuse."""
    rows = pngs.noise(19, 13, RGB, 8)
    data = pngs.png(19, 13, RGB, 8, rows, interlace)
    at = data.rindex(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    pixels = data[at + 4 : at + 4 + length]
    spoilt = data[: at - 4] + pngs.chunk(b"IDAT", pixels[:-4] + bytes(4)) + data[at + 8 + length :]
    got, err = process(tmp_path, spoilt, "format=png")
    assert list(got.convert("RGBA").getdata()) == meaning(RGB, 8, rows) and "warning" not in err


def cut(data, share):
    return data[: int(len(data) * share)]


GREY_TAIL = (128, 128, 128)


@pytest.mark.parametrize("kind", ["jpg", "progressive", "png", "rgba", "palette", "sixteen", "interlaced", "webp", "lossless"])
def test_truncated_files_have_a_grey_tail(tmp_path, kind):
    im = scene((240, 240))
    noisy = [[v ^ (x * 7 % 64) for x, v in enumerate(row)] for row in pngs.noise(120, 120, RGB, 8)]
    data = {
        "jpg": lambda: saved(im, "jpg"),
        "progressive": lambda: saved(im, "jpg", progressive=True),
        "png": lambda: saved(im, "png"),
        "rgba": lambda: saved(scene((240, 240), "RGBA"), "png"),
        "palette": lambda: pngs.png(120, 120, PALETTE, 8, pngs.noise(120, 120, PALETTE, 8), False, palette(8)),
        "sixteen": lambda: pngs.png(60, 60, RGB, 16, pngs.noise(60, 60, RGB, 16)),
        "interlaced": lambda: pngs.png(120, 120, RGB, 8, noisy, True),
        "webp": lambda: saved(im, "webp", lossless=False, quality=80),
        "lossless": lambda: saved(im, "webp"),
    }[kind]()
    share = {"progressive": 0.12, "interlaced": 0.01}.get(kind, 0.5)
    got, err = process(tmp_path, cut(data, share), "format=png")
    assert "warning: truncated" in err
    last = got.convert("RGBA").getpixel((got.width - 1, got.height - 1))
    assert all(abs(a - b) <= 2 for a, b in zip(last, (*GREY_TAIL, 255))), last
    first = got.convert("RGB").getpixel((0, 0))
    assert any(abs(a - b) > 20 for a, b in zip(first, GREY_TAIL)), first
    from program import complaint, run

    (tmp_path / "in").write_bytes(cut(data, share))
    assert "ends before its last row" in complaint(run("process", tmp_path / "in", "-o", tmp_path / "o.png", "strict=1"), 1)


def test_strict_is_a_422(pixpool):
    from client import http

    for name, data in [("t.jpg", saved(scene((99, 99)), "jpg")), ("t.png", saved(scene((99, 99)), "png")),
                       ("t.webp", saved(scene((99, 99)), "webp"))]:
        (pixpool.root / name).write_bytes(cut(data, 0.6))
        answer = http("GET", f"{pixpool.url}/img/{name}?w=50")
        assert answer.status == 200 and answer.headers["X-Image-Warning"] == "truncated"
        assert http("GET", f"{pixpool.url}/img/{name}?w=50&strict=1").status == 422
