"""Animated WebP in and out, judged frame by frame by Pillow."""

import io
import json
import struct
import subprocess

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageSequence, ImageStat

from client import http
from conftest import BUILD
from samples import encoded, scene

SIZE = (120, 80)
DURATIONS = [70, 130, 40, 250, 90]


def ball(i, size=SIZE, clear=False):
    """A frame: the scene with a ball that moves, or the ball alone on nothing."""
    im = Image.new("RGBA", size) if clear else scene(size).convert("RGBA")
    x = 10 + 18 * i
    ImageDraw.Draw(im).ellipse((x, 20, x + 30, 50), fill=(255, 40 * i, 0, 255 if not clear else 120 + 30 * i))
    return im


def write(path, frames, **options):
    options = {"lossless": True, "duration": DURATIONS[:len(frames)], "loop": 3, **options}
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], **options)


def chunk(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def le24(v):
    return struct.pack("<I", v)[:3]


def part(im, x, y, duration, dispose, overwrite):
    """An ANMF chunk: im, drawn at x, y."""
    data, at, bits = encoded(im, "WEBP", lossless=True, exact=True), 12, b""
    while at < len(data):
        n = struct.unpack("<I", data[at + 4:at + 8])[0]
        if data[at:at + 4] in (b"VP8L", b"VP8 ", b"ALPH"):
            bits += data[at:at + 8 + n + n % 2]
        at += 8 + n + n % 2
    w, h = im.size
    return chunk(b"ANMF", le24(x // 2) + le24(y // 2) + le24(w - 1) + le24(h - 1) + le24(duration) +
                 bytes([overwrite << 1 | dispose]) + bits)


def patches():
    """Every way a frame can be laid over the one before it."""
    red, blue = Image.new("RGBA", (60, 40), (255, 0, 0, 255)), Image.new("RGBA", (50, 50), (0, 0, 255, 128))
    half = Image.linear_gradient("L").resize((80, 60))
    glass = Image.merge("RGBA", (half, half.rotate(180), half, half))
    parts = [part(Image.new("RGBA", SIZE, (0, 200, 0, 200)), 0, 0, 100, 0, 0), part(red, 10, 10, 100, 1, 0),
             part(blue, 40, 20, 100, 0, 0), part(glass, 20, 10, 100, 0, 1), part(glass, 30, 14, 100, 1, 0),
             part(red, 60, 40, 100, 0, 1)]
    body = chunk(b"VP8X", bytes([0x12, 0, 0, 0]) + le24(SIZE[0] - 1) + le24(SIZE[1] - 1))
    body += chunk(b"ANIM", bytes([10, 20, 30, 40]) + struct.pack("<H", 7)) + b"".join(parts)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module(max_frames="12", max_pixels_in="2M")
    write(p.root / "ball.webp", [ball(i) for i in range(5)])
    write(p.root / "clear.webp", [ball(i, clear=True) for i in range(5)])
    (p.root / "patches.webp").write_bytes(patches())
    write(p.root / "long.webp", [Image.new("RGB", (8, 8), (i * 9, 0, 0)) for i in range(13)], duration=20)
    write(p.root / "large.webp", [Image.new("RGB", (600, 500), (i * 50, 0, 0)) for i in range(8)], duration=20)
    whole = (p.root / "ball.webp").read_bytes()
    (p.root / "cut.webp").write_bytes(whole[:len(whole) * 3 // 4])
    return p


@pytest.fixture
def get(server):
    return lambda target: http("GET", f"{server.url}/img/{target}")


def frames_of(data):
    """Each frame as shown, its duration, and what the file says of its loops."""
    im = Image.open(io.BytesIO(data))
    frames, durations = [], []
    for frame in ImageSequence.Iterator(im):
        frame.load()
        frames.append(frame.convert("RGBA"))
        durations.append(frame.info["duration"])
    return frames, durations, im.info.get("loop")


def over(im, page):
    out = Image.new("RGBA", im.size, page)
    out.alpha_composite(im)
    return out.convert("RGB")


def difference(a, b):
    """The mean difference of two pictures, on black and on white."""
    pages = ((0, 0, 0, 255), (255, 255, 255, 255))
    return max(max(ImageStat.Stat(ImageChops.difference(over(a, c), over(b, c))).mean) for c in pages)


def worst(a, b):
    pages = ((0, 0, 0, 255), (255, 255, 255, 255))
    return max(max(m for _, m in ImageChops.difference(over(a, c), over(b, c)).getextrema()) for c in pages)


@pytest.mark.parametrize("name", ["ball.webp", "clear.webp", "patches.webp"])
def test_frames_as_they_are(server, get, name):
    """Same size, lossless: drawing, disposal and blending are Pillow's to the last steps of rounding."""
    want, durations, loops = frames_of((server.root / name).read_bytes())
    answer = get(f"{name}?lossless=1")
    assert answer.headers["Content-Type"] == "image/webp"
    got, got_durations, got_loops = frames_of(answer.body)
    assert (got_durations, got_loops) == (durations, loops)
    assert len(got) == len(want)
    for i, (a, b) in enumerate(zip(got, want)):
        assert a.size == b.size and worst(a, b) <= 3, f"frame {i}"


def test_background_is_kept(get):
    data = get("patches.webp?w=60").body
    at = data.index(b"ANIM")
    assert data[at + 8:at + 14] == bytes([10, 20, 30, 40]) + struct.pack("<H", 7)


@pytest.mark.parametrize("options,still", [
    ("w=60", lambda im: im.resize((60, 40), Image.Resampling.LANCZOS)),
    ("w=40&h=40&fit=cover", lambda im: im.resize((60, 40), Image.Resampling.LANCZOS).crop((10, 0, 50, 40))),
    ("rect=20,10,60,40", lambda im: im.crop((20, 10, 80, 50))),
    ("rotate=90", lambda im: im.transpose(Image.Transpose.ROTATE_270)),
    ("flip=h", lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    ("filt=negate", lambda im: Image.merge("RGBA", [c.point(lambda v: 255 - v) for c in im.split()[:3]] + [im.split()[3]])),
    ("bg=white", lambda im: over(im, (255, 255, 255, 255)).convert("RGBA")),
])
@pytest.mark.parametrize("name", ["ball.webp", "patches.webp"])
def test_every_frame_is_worked_on(server, get, name, options, still):
    want, durations, _ = frames_of((server.root / name).read_bytes())
    got, got_durations, _ = frames_of(get(f"{name}?lossless=1&{options}").body)
    assert got_durations == durations and len(got) == len(want)
    for i, (a, b) in enumerate(zip(got, want)):
        b = still(b)
        assert a.size == b.size and difference(a, b) < 2.5, f"frame {i}"


def test_lossy(server, get):
    want, durations, _ = frames_of((server.root / "ball.webp").read_bytes())
    data = get("ball.webp?q=70").body
    got, got_durations, _ = frames_of(data)
    assert b"VP8L" not in data and got_durations == durations
    assert all(difference(a, b) < 6 for a, b in zip(got, want))


@pytest.mark.parametrize("page", [0, 1, 4])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_one_page(server, get, page, kind):
    want, _, _ = frames_of((server.root / "patches.webp").read_bytes())
    answer = get(f"patches.webp?format={kind}&lossless=1&page={page}")
    got = Image.open(io.BytesIO(answer.body))
    assert not getattr(got, "is_animated", False) and got.format == kind.upper()
    assert worst(got.convert("RGBA"), want[page]) <= 3


@pytest.mark.parametrize("options", ["anim=0", "format=jpeg", "format=png", "page=0"])
def test_the_first_frame(server, get, options):
    want, _, _ = frames_of((server.root / "ball.webp").read_bytes())
    got = Image.open(io.BytesIO(get(f"ball.webp?{options}").body))
    assert not getattr(got, "is_animated", False)
    assert difference(got.convert("RGBA"), want[0]) < 4


def test_no_such_page(get):
    answer = get("ball.webp?page=5")
    assert answer.status == 400 and "pages 0 to 4" in answer.json()["detail"]
    assert get("photo.jpg?w=50&page=3&anim=1").status == 200  # what has no pages ignores it


def test_limits_hold_before_any_work(get):
    frames = get("long.webp?w=4")
    assert frames.status == 422 and "13 frames, allowed 12" in frames.json()["detail"]
    assert get("long.webp?w=4&anim=0").status == 200
    assert get("long.webp?w=4&page=11&format=png").status == 200
    assert get("long.webp?w=4&page=12&format=png").status == 422
    pixels = get("large.webp?w=40")
    assert pixels.status == 422 and pixels.json()["code"] == "limit"
    assert get("large.webp?w=40&page=5&format=png").status == 200


def test_head_tells_the_size(server):
    answer = http("HEAD", f"{server.url}/img/ball.webp?w=60")
    assert answer.status == 200 and answer.headers["X-Image-Width"] == "60"


def test_a_cut_file_shows_the_frames_it_has(get):
    answer = get("cut.webp?w=60")
    assert answer.status == 200 and "truncated" in answer.headers["X-Image-Warning"]
    assert 1 <= len(frames_of(answer.body)[0]) < 5
    assert get("cut.webp?w=60&strict=1").status == 422


def test_info_counts_pages(server):
    assert http("GET", f"{server.url}/api/images/info?src=ball.webp").json()["pages"] == 5
    done = subprocess.run([BUILD / "pixpool", "info", server.root / "patches.webp"], capture_output=True, timeout=60)
    assert json.loads(done.stdout)["pages"] == 6


def test_several_results_of_one_decode(server, tmp_path):
    """An animation, its third page and a still of the first frame, from one run."""
    done = subprocess.run([BUILD / "pixpool", "process", server.root / "ball.webp", "-o", tmp_path / "a.webp", "w=60,lossless=1",
                           "-o", tmp_path / "b.png", "page=2", "-o", tmp_path / "c.jpg"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    want, _, _ = frames_of((server.root / "ball.webp").read_bytes())
    assert len(frames_of((tmp_path / "a.webp").read_bytes())[0]) == 5
    assert worst(Image.open(tmp_path / "b.png").convert("RGBA"), want[2]) <= 3
    assert difference(Image.open(tmp_path / "c.jpg").convert("RGBA"), want[0]) < 4
