"""depth=16: PNGs of 16 bits that stay so, judged by a reader of their own (tests/pngs.py) and numpy's doubles."""

import io
import json
import struct
import zlib

import exif_blocks as blocks
import numpy as np
import pngs
import profiles
import program
import pytest
import samples
from PIL import Image
from client import http, multipart
from pngs import GREY, GREY_ALPHA, RGB, RGBA

COLOURS = (GREY, GREY_ALPHA, RGB, RGBA)
SIZE = (61, 47)


def picture(colour, size=SIZE, seed=3):
    """Smooth and rough parts, and every level of alpha; floats of whole levels, height x width x channels."""
    rng, n = np.random.default_rng(seed), pngs.CHANNELS[colour]
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    planes = [(np.sin(x / (3 + c) + c) * np.cos(y / (5 - c)) * 0.5 + 0.5) * 65535 for c in range(n)]
    out = np.stack(planes, -1)
    rough = rng.integers(0, 65536, out.shape)
    out[: size[1] // 3] = rough[: size[1] // 3]
    if colour in (GREY_ALPHA, RGBA):
        out[..., -1][rng.random(out.shape[:2]) < 0.2] = 65535
        out[..., -1][rng.random(out.shape[:2]) < 0.1] = 0
    return np.floor(out)


def encoded(px, colour, **options):
    rows = [[int(v) for v in row.ravel()] for row in px]
    return pngs.png(px.shape[1], px.shape[0], colour, 16, rows, **options)


def decoded(data):
    width, height, colour, rows = pngs.read16(data)
    with Image.open(io.BytesIO(data)) as im:  # somebody else's reader agrees that it is a PNG of this size
        im.load()
        assert im.size == (width, height)
    return np.array(rows, float).reshape(height, width, pngs.CHANNELS[colour]), colour


def run(tmp_path, data, cases, ext="png", depth=16):
    """The files that many options make of one source, and what is said."""
    (tmp_path / "in").write_bytes(data)
    args = []
    for i, options in enumerate(cases):
        args += ["-o", tmp_path / f"o{i}.{ext}", ",".join(filter(None, (f"depth={depth}", options)))]
    p = program.run("process", tmp_path / "in", *args)
    assert p.returncode == 0, p.err
    return [(tmp_path / f"o{i}.{ext}").read_bytes() for i in range(len(cases))], p.err


def made(tmp_path, data, options):
    files, said = run(tmp_path, data, [options])
    assert "warning" not in said
    return decoded(files[0])[0]


# The same in doubles.


KERNELS = {"lanczos3": (3, lambda x: np.sinc(x) * np.sinc(x / 3)), "lanczos2": (2, lambda x: np.sinc(x) * np.sinc(x / 2)),
           "catrom": (2, lambda x: np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)),
           "bilinear": (1, lambda x: 1 - x), "box": (0.5, np.ones_like)}


def matrix(n, out, kernel, lo=0.0, hi=None):
    """out x n weights that resample [lo, hi) of n samples."""
    support, f = KERNELS[kernel]
    step = ((n if hi is None else hi) - lo) / out
    shrink = max(1.0, step)
    centre = lo + (np.arange(out) + 0.5) * step
    x = np.abs(np.arange(n) + 0.5 - centre[:, None]) / shrink
    w = np.where(x < support, f(np.minimum(x, support)), 0)
    return w / w.sum(1, keepdims=True)


def resampled(px, width, height, kernel="lanczos3", alpha=False, box=None):
    x0, y0, x1, y1 = box or (0, 0, px.shape[1], px.shape[0])
    px = px.copy()
    if alpha:
        px[..., :-1] *= px[..., -1:] / 65535
    out = np.einsum("ij,jkc->ikc", matrix(px.shape[0], height, kernel, y0, y1), px)
    out = np.einsum("ij,kjc->kic", matrix(px.shape[1], width, kernel, x0, x1), out)
    if alpha:
        a = out[..., -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            out[..., :-1] = np.where(a > 0, out[..., :-1] * 65535 / a, 0)
    return np.clip(out, 0, 65535)


def seen(px, alpha):
    """What shows: colour under low alpha counts little."""
    return px[..., :-1] * px[..., -1:] / 65535 if alpha else px


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("colour", COLOURS)
def test_resampling_by_numpy(tmp_path, colour, kernel):
    source, alpha = picture(colour), colour in (GREY_ALPHA, RGBA)
    sizes = [(20, 15), (61, 9), (7, 47), (60, 46), (1, 1), (150, 111)]
    cases = [f"w={w},h={h},fit=stretch,enlarge=1,filter-kernel={kernel}" for w, h in sizes]
    files, _ = run(tmp_path, encoded(source, colour), cases)
    for (w, h), data in zip(sizes, files):
        got, kind = decoded(data)
        want = resampled(source, w, h, kernel, alpha)
        assert kind == colour and got.shape == want.shape
        assert np.abs(seen(got, alpha) - seen(want, alpha)).max() <= 1.01, (w, h)
        if alpha:
            assert np.abs(got[..., -1] - want[..., -1]).max() <= 0.51, (w, h)


@pytest.mark.parametrize("interlace", (0, 1))
@pytest.mark.parametrize("colour", COLOURS)
def test_what_is_not_resampled_is_copied(tmp_path, colour, interlace):
    source = picture(colour)
    data = encoded(source, colour, interlace=interlace)
    cases = {"": source, "rect=7,5,40,30": source[5:35, 7:47], "rotate=90": np.rot90(source, -1),
             "rotate=180": source[::-1, ::-1], "rotate=270": np.rot90(source), "flip=v": source[::-1],
             "flip=h": source[:, ::-1], "w=30,h=47,fit=cover,g=east": source[:, 31:],
             "w=61,h=21,fit=cover,g=north": source[:21], "filter-kernel=nearest": source}
    files, _ = run(tmp_path, data, list(cases))
    for (options, want), file in zip(cases.items(), files):
        got, kind = decoded(file)
        assert kind == colour and np.array_equal(got, want), options


def test_four_quarter_turns_are_none(tmp_path):
    data = encoded(picture(RGBA), RGBA)
    for _ in range(4):
        data = run(tmp_path, data, ["rotate=90"])[0][0]
    assert np.array_equal(decoded(data)[0], picture(RGBA))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    source = picture(RGB)
    data = encoded(source, RGB, before=pngs.chunk(b"eXIf", blocks.exif(orientation=orientation)))
    shown = {1: source, 2: source[:, ::-1], 3: source[::-1, ::-1], 4: source[::-1], 5: source.transpose(1, 0, 2),
             6: np.rot90(source, -1), 7: source[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(source)}
    assert np.array_equal(made(tmp_path, data, ""), shown[orientation])
    got = made(tmp_path, data, "w=20,h=20,fit=cover,g=west")
    h, w = shown[orientation].shape[:2]
    side = min(w, h)
    y0 = (h - side) / 2
    want = resampled(shown[orientation], 20, 20, box=(0, y0, side, y0 + side))
    assert np.abs(got - want).max() <= 1.01


def test_transparent_colours_become_alpha(tmp_path):
    for colour, key in ((GREY, (0x1234,)), (RGB, (0x1234, 0xABCD, 0x0001))):
        source = picture(colour)
        source[::3, ::2] = key
        source[1::3, ::2] = [v ^ 1 for v in key]  # the same in 8 bits
        trns = pngs.chunk(b"tRNS", b"".join(v.to_bytes(2, "big") for v in key))
        got = made(tmp_path, encoded(source, colour, before=trns), "")
        assert np.array_equal(got[..., :-1], source)
        assert np.array_equal(got[..., -1] == 0, (source == np.array(key)).all(-1)) and set(np.unique(got[..., -1])) == {0, 65535}


def test_padding_and_background(tmp_path):
    source = picture(RGB)
    got = made(tmp_path, encoded(source, RGB), "w=100,h=60,fit=pad,bg=102030")
    assert np.array_equal(got[6:53, 19:80], source) and (got[:6] == np.array([0x10, 0x20, 0x30]) * 257).all()
    clear = made(tmp_path, encoded(source, RGB), "pad=3,5")
    assert clear.shape == (53, 71, 4) and np.array_equal(clear[3:-3, 5:-5, :3], source) and (clear[:3] == 0).all()
    grey = picture(GREY)
    got = made(tmp_path, encoded(grey, GREY), "pad=2,bg=red")  # grey that gets colour
    assert got.shape == (51, 65, 3) and (got[0, 0] == [65535, 0, 0]).all() and np.array_equal(got[2:-2, 2:-2, 1:2], grey)
    got = made(tmp_path, encoded(grey, GREY), "pad=2,bg=808080")
    assert got.shape == (51, 65, 1) and got[0, 0] == 0x8080


def test_alpha_is_laid_on_the_background(tmp_path):
    source = picture(RGBA)
    bg, a = np.array([0x40, 0x80, 0xC0]) * 257, source[..., 3:] / 65535
    got = made(tmp_path, encoded(source, RGBA), "bg=4080c0")
    assert got.shape[2] == 3 and np.abs(got - (source[..., :3] * a + bg * (1 - a))).max() <= 0.51
    got = made(tmp_path, encoded(source, RGBA), "bg=4080c080")
    b = 0x80 / 255 * (1 - a)
    assert np.abs(got[..., 3:] - (a + b) * 65535).max() <= 0.51
    assert np.abs(got[..., :3] - (source[..., :3] * a + bg * b) / (a + b)).max() <= 1.01


def light(v):
    v = v / 65535
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def level(v):
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055) * 65535


@pytest.mark.parametrize("colour", COLOURS)
def test_linear_light(tmp_path, colour):
    source, alpha = picture(colour), colour in (GREY_ALPHA, RGBA)
    n = pngs.CHANNELS[colour] - alpha
    lit = np.concatenate([light(source[..., :n]) * 65535, source[..., n:]], -1)
    want = resampled(lit, 25, 19, alpha=alpha)
    want[..., :n] = level(want[..., :n] / 65535)
    got = made(tmp_path, encoded(source, colour), "w=25,h=19,fit=stretch,linear=1")
    assert np.abs(seen(got, alpha) - seen(want, alpha)).max() <= 1.6


# Profiles.


def icc(profile):
    return pngs.chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


def test_profiles_become_srgb(tmp_path):
    source = picture(RGB)
    for curve, opened in ((profiles.curve_gamma(1.0), lambda v: v / 65535), (profiles.curve_gamma(1.8), lambda v: (v / 65535) ** 1.8)):
        data = encoded(source, RGB, before=icc(profiles.rgb(profiles.SRGB, curve)))
        got = made(tmp_path, data, "")
        # What lcms2 itself stores of a profile: 15 bits behind the point of a matrix and 8 of a gamma.
        assert np.abs(got - level(opened(source))).max() < 160 and np.abs(got - level(opened(source))).mean() < 12
    swapped = made(tmp_path, encoded(source, RGB, before=icc(profiles.rgb(profiles.SWAPPED, profiles.curve_srgb()))), "")
    assert min(np.abs(swapped - source[..., list(order)]).mean() for order in ((1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1))) < 60
    assert np.abs(swapped - source).mean() > 5000


def test_grey_profiles(tmp_path):
    source = picture(GREY)
    data = encoded(source, GREY, before=icc(profiles.grey(profiles.curve_gamma(1.0))))
    got = made(tmp_path, data, "")
    assert got.shape[2] == 1 and np.abs(got - level(source / 65535)).max() < 120


def test_kept_profiles_stand_in_the_file(tmp_path):
    source, profile = picture(RGB), profiles.rgb(profiles.ADOBE, profiles.curve_gamma(2.2))
    files, _ = run(tmp_path, encoded(source, RGB, before=icc(profile)), ["cs=keep", ""])
    assert np.array_equal(decoded(files[0])[0], source)
    parts = dict(pngs.chunks(files[0]))
    assert zlib.decompress(parts[b"iCCP"].split(b"\0", 2)[2]) == profile
    assert b"iCCP" not in dict(pngs.chunks(files[1])) and not np.array_equal(decoded(files[1])[0], source)


def test_a_profile_of_srgb_moves_nothing(tmp_path):
    source = picture(RGB)
    data = encoded(source, RGB, before=icc(profiles.rgb(profiles.SRGB, profiles.curve_srgb())))
    assert np.array_equal(made(tmp_path, data, ""), source)


def test_metadata(tmp_path):
    data = encoded(picture(RGB), RGB, before=pngs.chunk(b"eXIf", blocks.exif()))
    files, _ = run(tmp_path, data, ["", "w=20,metadata=keep", "metadata=copyright"])
    exifs = [Image.open(io.BytesIO(f)).getexif() for f in files]
    assert not exifs[0] and exifs[1][0x0100] == 20 and exifs[2][blocks.COPYRIGHT] == "(c) 2024 Ann Example"


# What has 8 bits all the same.


@pytest.mark.parametrize("options", ["blur=1", "bri=10", "filt=negate", "pixel=4", "sharp=1", "rotate=10", "radius=5", "border=2,red",
                                     "palette=16", "max_bytes=5000", "tint=red"])
def test_options_that_allow_8_bits_only_say_so(tmp_path, options):
    files, said = run(tmp_path, encoded(picture(RGB), RGB), [options])
    plain, _ = run(tmp_path, encoded(picture(RGB), RGB), [options], depth=8)
    assert files[0][24] <= 8 and "warning: 8-bits" in said and files == plain


def test_what_has_no_16_bits_ignores_it(tmp_path):
    im = Image.effect_noise((40, 30), 60).convert("RGB")
    for kind in ("PNG", "JPEG", "WEBP"):
        (file,), said = run(tmp_path, samples.encoded(im, kind), ["format=png"])
        assert file[24] == 8 and "warning" not in said
    for ext in ("jpg", "webp"):
        (file,), said = run(tmp_path, encoded(picture(RGB), RGB), ["w=30"], ext)
        assert Image.open(io.BytesIO(file)).size == (30, 23) and "warning" not in said
    (file,), _ = run(tmp_path, encoded(picture(RGB), RGB), [""])
    assert file[24] == 16


def test_8_bits_where_nothing_is_asked(tmp_path):
    (tmp_path / "in").write_bytes(encoded(picture(RGB), RGB))
    assert program.run("process", tmp_path / "in", "-o", tmp_path / "o.png").returncode == 0
    assert (tmp_path / "o.png").read_bytes()[24] == 8


# Geometry out of pixels.


def test_trim_and_smart(tmp_path):
    source = np.full((50, 80, 3), 60000.0)
    source[12:31, 20:53] = picture(RGB, (33, 19))
    source[12, 20:53] = source[30, 20:53] = source[12:31, 20] = source[12:31, 52] = 100
    assert np.array_equal(made(tmp_path, encoded(source, RGB), "trim=5"), source[12:31, 20:53])
    crop = made(tmp_path, encoded(source, RGB), "w=40,h=50,fit=cover,g=smart")
    assert any(np.array_equal(crop, source[:, x : x + 40]) for x in range(41))


# Over HTTP, and with damaged files.


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module()
    whole = encoded(picture(RGBA, (200, 150)), RGBA)
    (p.root / "deep.png").write_bytes(whole)
    (p.root / "cut.png").write_bytes(whole[: len(whole) // 2])
    return p


def test_over_http(server):
    got = http("GET", f"{server.url}/img/deep.png?w=50&depth=16")
    assert got.status == 200 and got.body[24] == 16 and got.headers["X-Image-Width"] == "50"
    assert "X-Image-Warning" not in got.headers
    told = http("GET", f"{server.url}/img/deep.png?w=50&depth=16&blur=2")
    assert told.body[24] == 8 and told.headers["X-Image-Warning"] == "8-bits"
    assert http("GET", f"{server.url}/img/deep.png?depth=12").status == 400
    plan = http("GET", f"{server.url}/img/deep.png?depth=16&w=9&explain=1").json()
    assert plan["result"]["depth"] == 16 and plan["path"] == "16 bits"
    assert http("HEAD", f"{server.url}/img/deep.png?w=50&depth=16").status == 200


def test_a_file_that_is_cut_short(server):
    got = http("GET", f"{server.url}/img/cut.png?depth=16")
    assert got.headers["X-Image-Warning"] == "truncated"
    px, _ = decoded(got.body)
    assert np.array_equal(px[:40], picture(RGBA, (200, 150))[:40]) and (px[-1] == [0x8080, 0x8080, 0x8080, 0xFFFF]).all()
    assert http("GET", f"{server.url}/img/cut.png?depth=16&strict=1").status == 422


def test_beside_other_results(server):
    operations = {"outputs": [{"name": "a", "depth": 16}, {"name": "b", "w": 40, "format": "jpeg"}, {"name": "c", "w": 30, "depth": 16}]}
    body, kind = multipart([("file", (server.root / "deep.png").read_bytes(), "a.png", "image/png"), ("operations", json.dumps(operations))])
    a = http("POST", f"{server.url}/api/images/renditions", body, {"Content-Type": kind, "Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in a.body.splitlines()]
    results = {line["output"]: line for line in lines if "output" in line}
    assert {n: (r["status"], r["width"], r["format"]) for n, r in results.items()} == {
        "a": (200, 200, "png"), "b": (200, 40, "jpeg"), "c": (200, 30, "png")}


def test_limits_hold(start_pixpool):
    p = start_pixpool(worker_memory="24M")
    side = 1300
    row = bytes(1) + b"\x12\x34" * 3 * side
    data = (b"\x89PNG\r\n\x1a\n" + pngs.chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)) +
            pngs.chunk(b"IDAT", zlib.compress(row * side)) + pngs.chunk(b"IEND", b""))
    (p.root / "large.png").write_bytes(data)
    assert http("GET", f"{p.url}/img/large.png?depth=16").status == 422
    assert http("GET", f"{p.url}/img/large.png?depth=16&w=200").status == 200
