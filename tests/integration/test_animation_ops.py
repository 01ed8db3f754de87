"""Animated WebP through the rest of the pipeline: what it carries, what is laid over it, crops that depend on pixels, and
max_bytes. Every frame is judged by Pillow."""

import io
import struct
import subprocess

import exif_blocks as blocks
import profiles
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, ImageStat
from client import http
from conftest import BUILD
from test_animation import DURATIONS, ball, difference, frames_of, over, worst, write
from test_colour import process, to_srgb

SANS = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
SWAPPED = profiles.rgb(profiles.SWAPPED, profiles.curve_srgb())


def framed(i):
    """A frame of which each fills another part of the same white page."""
    im = Image.new("RGBA", (120, 80), "white")
    ImageDraw.Draw(im).rectangle((30 + 8 * i, 20 + 4 * i, 49 + 8 * i, 35 + 4 * i), fill=(200, 30 * i, 0, 255))
    return im


def lively(i):
    """Frames that a low quality makes much smaller: noise of many sizes."""
    im = Image.effect_noise((160, 120), 60 + 5 * i)
    return Image.merge("RGB", (im, im.rotate(180), im.filter(ImageFilter.GaussianBlur(2)))).convert("RGBA")


@pytest.fixture(scope="module")
def server(start_pixpool_module, tmp_path_factory):
    marks = tmp_path_factory.mktemp("marks")
    logo = Image.new("RGBA", (24, 12), (0, 0, 255, 255))
    logo.paste((255, 255, 0, 128), (12, 0, 24, 12))
    logo.save(marks / "logo.png")
    p = start_pixpool_module(mark_root=marks, **{"font.sans": SANS})
    write(p.root / "ball.webp", [ball(i) for i in range(5)])
    write(p.root / "clear.webp", [ball(i, clear=True) for i in range(5)])
    write(p.root / "page.webp", [framed(i) for i in range(5)])
    write(p.root / "lively.webp", [lively(i) for i in range(5)], lossless=False, quality=95)
    return p


@pytest.fixture
def get(server):
    def fetch(name, options, status=200):
        a = http("GET", f"{server.url}/img/{name}?{options}")
        assert a.status == status, a.body
        return a
    return fetch


@pytest.fixture
def sources(server):
    return lambda name: frames_of((server.root / name).read_bytes())[0]


def frames(answer):
    got, durations, loops = frames_of(answer.body)
    assert durations == DURATIONS and loops == 3
    return got


# What the file carries beside its pixels.


def chunks(data):
    at, out = 12, []
    while at < len(data):
        n = struct.unpack("<I", data[at + 4:at + 8])[0]
        out.append((data[at:at + 4].decode(), data[at + 8:at + 8 + n]))
        at += 8 + n + n % 2
    assert at == len(data) == struct.unpack("<I", data[4:8])[0] + 8
    return out


def carrying(tmp_path, options, count=3, **blocks_):
    """Pillow's animation of that many frames and these blocks, and what becomes of it."""
    write(tmp_path / "in.webp", [ball(i % 5) for i in range(count)], **blocks_)
    process(tmp_path, (tmp_path / "in.webp").read_bytes(), options, "o.webp")
    return (tmp_path / "o.webp").read_bytes()


def test_blocks_stand_where_the_container_wants_them(tmp_path):
    data = carrying(tmp_path, "metadata=keep,cs=keep", exif=blocks.exif(), xmp=blocks.xmp(), icc_profile=SWAPPED)
    names = [name for name, _ in chunks(data)]
    assert names == ["VP8X", "ICCP", "ANIM", "ANMF", "ANMF", "ANMF", "EXIF", "XMP "]
    flags = dict(chunks(data))["VP8X"][0]
    assert flags & 0x2E == 0x2E  # ICC, EXIF, XMP, animation


def test_metadata_as_of_stills(tmp_path):
    given = {"exif": blocks.exif(), "xmp": blocks.xmp()}
    for name, data in [("none", carrying(tmp_path, "w=40,lossless=1", **given)),
                       ("copyright", carrying(tmp_path, "w=40,metadata=copyright", **given)),
                       ("keep", carrying(tmp_path, "w=40,metadata=keep", **given))]:
        im = Image.open(io.BytesIO(data))
        exif = im.getexif()
        assert im.n_frames == 3 and im.size == (40, 60), name  # shown upright: turned by its orientation
        assert [s for s in ("thumbnail", "maker", "slack", "xmp thumbnail") if blocks.SECRETS[s] in data] == [], name
        assert (blocks.SECRETS["place"] in data) == (b"exif:GPSLatitude" in data) == (name == "keep")
        if name == "none":
            assert not exif and "xmp" not in im.info
        elif name == "copyright":
            assert dict(exif) == {blocks.ARTIST: "Ann Example", blocks.COPYRIGHT: "(c) 2024 Ann Example"}
        else:
            assert exif[blocks.ORIENTATION] == 1 and (exif[0x0100], exif[0x0101]) == (40, 60)


def test_colours_become_srgb(tmp_path):
    data = carrying(tmp_path, "lossless=1", icc_profile=SWAPPED)
    assert "ICCP" not in dict(chunks(data))
    for i, frame in enumerate(frames_of(data)[0]):
        want = to_srgb(ball(i).convert("RGB"), SWAPPED)
        assert worst(frame, want.convert("RGBA")) <= 3, f"frame {i}"


def test_colours_are_kept_with_their_profile(tmp_path):
    data = carrying(tmp_path, "lossless=1,cs=keep", icc_profile=SWAPPED)
    assert dict(chunks(data))["ICCP"] == SWAPPED
    assert all(worst(frame, ball(i)) == 0 for i, frame in enumerate(frames_of(data)[0]))


def test_equal_frames_leave_a_still_that_carries_the_same(tmp_path):
    same = [ball(1)] * 3
    write(tmp_path / "in.webp", same, exif=blocks.exif(orientation=1))
    parts = (tmp_path / "in.webp").read_bytes()
    if Image.open(io.BytesIO(parts)).n_frames == 1:  # Pillow joins them as well: make them differ, and crop that away
        for i, im in enumerate(same := [im.copy() for im in same]):
            im.putpixel((119, 79), (i * 80, 0, 0, 255))
        write(tmp_path / "in.webp", same, exif=blocks.exif(orientation=1))
    process(tmp_path, (tmp_path / "in.webp").read_bytes(), "rect=0,0,100,70,metadata=keep,lossless=1", "o.webp")
    data = (tmp_path / "o.webp").read_bytes()
    got = Image.open(io.BytesIO(data))
    assert not getattr(got, "is_animated", False) and got.getexif()[blocks.COPYRIGHT] == "(c) 2024 Ann Example"
    assert worst(got.convert("RGBA"), ball(1).crop((0, 0, 100, 70))) == 0


# What is done to every frame.


@pytest.mark.parametrize("name", ["ball.webp", "clear.webp"])
def test_marks_lie_on_every_frame(server, get, sources, name):
    logo = Image.new("RGBA", (24, 12), (0, 0, 255, 255))
    logo.paste((255, 255, 0, 128), (12, 0, 24, 12))
    options = "lossless=1&mark=logo.png&mark-w=24&mark-pad=7&mark-pos=southwest"
    for i, (got, want) in enumerate(zip(frames(get(name, options)), sources(name))):
        want.alpha_composite(logo, (7, 80 - 12 - 7))
        assert worst(got, want) <= 3, f"frame {i}"


def test_text_lies_on_every_frame(server, get, sources):
    """The same ink on each; what the ink is, is judged on stills by test_text.py."""
    options = "lossless=1&txt=Hello&txt-size=20&txt-color=lime&txt-pos=north"
    inks = []
    for got, source in zip(frames(get("page.webp", options)), sources("page.webp")):
        changed = ImageChops.difference(over(got, "black"), over(source, "black")).convert("L").point(lambda v: 255 * (v > 8))
        box = changed.getbbox()
        assert box and box[1] >= 3 and box[3] <= 30 and abs((box[0] + box[2]) / 2 - 60) < 4
        inks.append(changed.crop((0, 0, 120, 18)))  # above what moves
    assert all(ImageChops.difference(inks[0], ink).getbbox() is None for ink in inks)


def test_pad_border_and_radius(server, get, sources):
    for got, source in zip(frames(get("ball.webp", "lossless=1&pad=4,6&bg=red&border=3,00f")), sources("ball.webp")):
        want = ImageOps.expand(ImageOps.expand(source.convert("RGB"), (6, 4), (255, 0, 0)), 3, (0, 0, 255))
        assert got.size == want.size == (138, 94) and worst(got, want.convert("RGBA")) <= 2
    for got, source in zip(frames(get("ball.webp", "lossless=1&radius=20")), sources("ball.webp")):
        big = Image.new("L", (960, 640))
        ImageDraw.Draw(big).rounded_rectangle((0, 0, 959, 639), 160, fill=255)
        source.putalpha(big.resize((120, 80), Image.Resampling.BOX))
        assert difference(got, source) < 0.3 and got.getpixel((0, 0))[3] == got.getpixel((119, 79))[3] == 0


@pytest.mark.parametrize("options,still,limit", [
    ("blur=2", lambda im: im.filter(ImageFilter.GaussianBlur(2)), 1.5),
    ("sat=-100", lambda im: im.convert("L").convert("RGB"), 1.0),
    ("bri=20", lambda im: im.point(lambda v: min(255, round(1.2 * v))), 1.0),
    ("pixel=8", lambda im: im.resize((15, 10), Image.Resampling.BOX).resize((120, 80), Image.Resampling.NEAREST), 1.0),
    ("filt=greyscale&w=60", lambda im: im.resize((60, 40), Image.Resampling.LANCZOS).convert("L").convert("RGB"), 1.0),
])
def test_filters(server, get, sources, options, still, limit):
    for i, (got, source) in enumerate(zip(frames(get("ball.webp", f"lossless=1&{options}")), sources("ball.webp"))):
        want = still(source.convert("RGB"))
        assert got.size == want.size and difference(got, want.convert("RGBA")) < limit, f"frame {i}"


def test_free_rotation(server, get, sources):
    for got, source in zip(frames(get("ball.webp", "lossless=1&rotate=10&bg=white")), sources("ball.webp")):
        want = source.convert("RGB").rotate(-10, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
        assert got.size == (132, 100) and want.size == (134, 100)  # rounded to the nearest, and up
        assert difference(got, want.crop((1, 0, 133, 100)).convert("RGBA")) < 3


# Crops that depend on pixels are the same for all frames.


def boxes(sources):
    """What differs from white, of each frame."""
    return [ImageOps.invert(im.convert("RGB")).getbbox() for im in sources]


def test_trim_leaves_what_any_frame_shows(server, get, sources):
    source = sources("page.webp")
    found = boxes(source)
    box = tuple(f(b[i] for b in found) for i, f in enumerate((min, min, max, max)))
    for i, (got, want) in enumerate(zip(frames(get("page.webp", "lossless=1&trim=")), source)):
        assert got.size == (box[2] - box[0], box[3] - box[1]) and worst(got, want.crop(box)) == 0, f"frame {i}"


@pytest.mark.parametrize("turn", ["", "&rotate=90"])
@pytest.mark.parametrize("page", [0, 3])
def test_trim_of_a_page_looks_at_that_page(server, get, sources, page, turn):
    source = sources("page.webp")[page]
    want = source.crop(boxes([source])[0])
    got = Image.open(io.BytesIO(get("page.webp", f"format=png&trim=&page={page}{turn}").body)).convert("RGBA")
    assert worst(got, want.rotate(-90, expand=True) if turn else want) == 0


def test_smart_crops_look_at_the_first_frame_or_the_page(server, get, sources, tmp_path):
    """As the same picture is cropped as a still; where, is judged on stills by test_analyse.py."""
    for i, im in enumerate(source := sources("page.webp")):
        im.save(server.root / f"still{i}.png")
    for gravity in ("smart", "entropy"):
        options = f"w=40&h=80&fit=cover&gravity={gravity}&lossless=1&format"
        still = [Image.open(io.BytesIO(get(f"still{i}.png", f"{options}=png").body)).convert("RGBA") for i in range(5)]
        left = next(x for x in range(81) if worst(source[0].crop((x, 0, x + 40, 80)), still[0]) == 0)
        moving = frames_of(get("page.webp", f"{options}=webp").body)[0]  # equal ones are joined
        assert len(moving) >= 4
        assert all(worst(a, b.crop((left, 0, left + 40, 80))) == 0 for a, b in zip(moving, source)), gravity
        page = Image.open(io.BytesIO(get("page.webp", f"{options}=png&page=4").body)).convert("RGBA")
        assert worst(page, still[4]) == 0 and worst(page, still[0]) > 0, gravity


# max_bytes.


def test_max_bytes_lowers_the_quality(server, get, sources):
    whole = get("lively.webp", "q=90")
    sizes = {q: len(get("lively.webp", f"q={q}").body) for q in (10, 50, 80)}
    for limit in (sizes[80] + 100, sizes[50] + 100, (sizes[10] + sizes[50]) // 2):
        a = get("lively.webp", f"q=90&max_bytes={limit}")
        assert "X-Max-Bytes" not in a.headers and limit * 0.7 < len(a.body) <= limit < len(whole.body)
        assert all(difference(x, y) < 25 for x, y in zip(frames(a), sources("lively.webp")))
    assert get("lively.webp", f"q=90&max_bytes={len(whole.body)}").body == whole.body


def test_max_bytes_that_cannot_be(server, get):
    a, least = get("lively.webp", "max_bytes=1024"), get("lively.webp", "q=1")
    assert a.headers["X-Max-Bytes"] == "exceeded" and len(a.body) == len(least.body)
    lossless = get("ball.webp", "lossless=1&max_bytes=1024")
    assert lossless.headers["X-Max-Bytes"] == "exceeded" and b"VP8 " not in lossless.body


def test_max_bytes_beside_other_results(server, tmp_path):
    """One decode feeds all; only the animation that is too large is fed again."""
    done = subprocess.run([BUILD / "pixpool", "process", server.root / "lively.webp", "-o", tmp_path / "a.webp", "q=90",
                           "-o", tmp_path / "b.webp", "q=90,max_bytes=20000", "-o", tmp_path / "c.png", "page=2"],
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    a, b = (frames_of((tmp_path / f"{x}.webp").read_bytes())[0] for x in "ab")
    assert len(a) == len(b) == 5 and (tmp_path / "b.webp").stat().st_size <= 20000 < (tmp_path / "a.webp").stat().st_size
    assert ImageStat.Stat(Image.open(tmp_path / "c.png").convert("L")).stddev[0] > 20
