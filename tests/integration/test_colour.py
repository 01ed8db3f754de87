"""Colour profiles, judged by Pillow, which asks lcms2 itself; profiles are made by tests/profiles.py."""

import io
import os

import profiles
import pytest
from PIL import Image, ImageChops, ImageCms
from program import run
from samples import encoded, scene

FORMATS = {"jpg": {"quality": 95, "subsampling": 0}, "png": {}, "webp": {"lossless": True}}
RGB_PROFILES = {
    "adobe": profiles.rgb(profiles.ADOBE, profiles.curve_gamma(2.19921875)),
    "p3": profiles.rgb(profiles.P3, profiles.curve_srgb()),
    "swapped": profiles.rgb(profiles.SWAPPED, profiles.curve_srgb()),
    "linear": profiles.rgb(profiles.SRGB, profiles.curve_gamma(1.0)),
    "tables": profiles.table(b"RGB ", 3, lambda v: (100 * v[1], 60 * (v[0] - v[1]), 60 * (v[1] - v[2]))),
}


NO_OPTIMISATION = 0x0100  # lcms2's shortcuts are off by some levels in the dark


def to_srgb(im, profile, flags=0):
    """What lcms2 makes of it, by perceptual intent."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.profileToProfile(im, source, ImageCms.createProfile("sRGB"), outputMode="RGB", flags=flags)


def worst(a, b):
    return max(high for _, high in ImageChops.difference(a.convert("RGB"), b.convert("RGB")).getextrema())


def mean(a, b):
    histogram = ImageChops.difference(a.convert("RGB"), b.convert("RGB")).convert("L").histogram()
    return sum(v * n for v, n in enumerate(histogram)) / sum(histogram)


def process(tmp_path, data, options, name="o.png"):
    """Runs pixpool on bytes; the image, and what was said."""
    source = tmp_path / "in"
    source.write_bytes(data)
    p = run("process", source, "-o", tmp_path / name, options)
    assert p.returncode == 0, p.err
    with Image.open(tmp_path / name) as im:
        im.load()
        return im, p.err


def saved(im, ext, profile=None, **more):
    kind = {"jpg": "JPEG"}.get(ext, ext.upper())
    return encoded(im, kind, **{**FORMATS[ext], **more}, **({"icc_profile": profile} if profile else {}))


@pytest.mark.parametrize("ext", FORMATS)
@pytest.mark.parametrize("name", RGB_PROFILES)
def test_colours_become_srgb(tmp_path, ext, name):
    data = saved(scene((120, 80)), ext, RGB_PROFILES[name])
    plain = Image.open(io.BytesIO(data)).convert("RGB")
    got, err = process(tmp_path, data, "kernel=nearest")
    want = to_srgb(plain, RGB_PROFILES[name])
    assert "warning" not in err and "icc_profile" not in got.info
    # One level of JPEG's rounding to RGB is up to 13 levels of what "linear" makes of the dark.
    assert worst(got, want) <= (16 if ext == "jpg" else 2) and mean(got, want) < 0.8
    if name != "tables":
        assert mean(plain, want) > 2 * mean(got, want)


@pytest.mark.parametrize("ext", FORMATS)
def test_the_swapped_channels_are_swapped_back(tmp_path, ext):
    """Whatever is done to it on the way: a quarter turn, a canvas, another format."""
    data = saved(Image.new("RGB", (64, 64), (200, 40, 90)), ext, RGB_PROFILES["swapped"])
    for options in ("w=20", "w=20,rotate=90", "w=40,h=20,fit=pad,bg=white", "w=30,h=10,fit=cover"):
        for out in ("o.png", "o.jpg", "o.webp"):
            got, _ = process(tmp_path, data, options, out)
            middle = got.convert("RGB").getpixel((got.width // 2, got.height // 2))
            assert all(abs(a - b) <= 6 for a, b in zip(middle, (40, 90, 200))), (options, out, middle)


def test_srgb_changes_nothing(tmp_path):
    profile = profiles.rgb(profiles.SRGB, profiles.curve_srgb())
    im = scene((90, 60))
    for ext in FORMATS:
        process(tmp_path, saved(im, ext), "w=45", f"plain.{ext}")
        process(tmp_path, saved(im, ext, profile), "w=45", f"tagged.{ext}")
        assert (tmp_path / f"plain.{ext}").read_bytes() == (tmp_path / f"tagged.{ext}").read_bytes()
    lcms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    process(tmp_path, saved(im, "jpg", lcms), "w=45", "lcms.jpg")
    assert (tmp_path / "lcms.jpg").read_bytes() == (tmp_path / "plain.jpg").read_bytes()


@pytest.mark.parametrize("ext", FORMATS)
@pytest.mark.parametrize("out", FORMATS)
def test_keep_keeps_pixels_and_profile(tmp_path, ext, out):
    profile = RGB_PROFILES["adobe"]
    data = saved(scene((120, 80)), ext, profile)
    got, _ = process(tmp_path, data, "cs=keep,kernel=nearest,lossless=1,q=95,chroma=444", f"o.{out}")
    assert got.info["icc_profile"] == profile
    assert mean(got, Image.open(io.BytesIO(data))) < 1.0
    got, _ = process(tmp_path, data, "icc=keep,w=60,rotate=90", f"o.{out}")
    assert got.info["icc_profile"] == profile and got.size == (40, 60)


def test_a_large_profile_takes_several_segments(tmp_path):
    big = profiles.profile(b"RGB ", {b"rXYZ": profiles.tag_xyz(profiles.SWAPPED[0]), b"rTRC": profiles.curve_srgb(),
                                     b"gXYZ": profiles.tag_xyz(profiles.SWAPPED[1]), b"gTRC": profiles.curve_srgb(),
                                     b"bXYZ": profiles.tag_xyz(profiles.SWAPPED[2]), b"bTRC": profiles.curve_srgb(),
                                     b"junk": bytes(i % 251 for i in range(200_000))})
    data = saved(Image.new("RGB", (16, 16), (200, 40, 90)), "jpg", big)
    got, err = process(tmp_path, data, "w=8", "o.png")
    assert all(abs(a - b) <= 4 for a, b in zip(got.getpixel((4, 4)), (40, 90, 200))) and "warning" not in err
    for out in FORMATS:
        assert process(tmp_path, data, "cs=keep", f"o.{out}")[0].info["icc_profile"] == big


@pytest.mark.parametrize("ext", ["jpg", "png"])
def test_grey_profiles(tmp_path, ext):
    im = scene((120, 80), "L")
    profile = profiles.grey(profiles.curve_gamma(1.0))
    data = saved(im, ext, profile)
    got, err = process(tmp_path, data, "kernel=nearest")
    want = to_srgb(Image.open(io.BytesIO(data)), profile, NO_OPTIMISATION)
    assert got.mode == "L" and worst(got, want) <= 1 and "warning" not in err
    kept, _ = process(tmp_path, data, "cs=keep,kernel=nearest")
    assert kept.info["icc_profile"] == profile and worst(kept, Image.open(io.BytesIO(data))) == 0
    # A canvas of a colour makes it RGB, of which a grey profile would tell nothing.
    coloured, _ = process(tmp_path, data, "w=100,h=100,fit=pad,bg=red,cs=keep")
    assert "icc_profile" not in coloured.info and coloured.mode == "RGB"


def test_alpha_is_left_alone(tmp_path):
    im = scene((120, 80), "RGBA")
    data = saved(im, "png", RGB_PROFILES["swapped"])
    got, _ = process(tmp_path, data, "kernel=nearest")
    want = to_srgb(im.convert("RGB"), RGB_PROFILES["swapped"])
    assert got.getchannel("A").tobytes() == im.getchannel("A").tobytes()
    opaque = im.getchannel("A").point(lambda a: 255 if a > 200 else 0)
    assert worst(Image.composite(got.convert("RGB"), want, opaque), want) <= 2
    flat, _ = process(tmp_path, data, "kernel=nearest,bg=808080")
    white = Image.new("RGB", im.size, (128, 128, 128))
    white.paste(want, mask=im.getchannel("A"))
    assert worst(flat, white) <= 3


def broken_profiles():
    good = RGB_PROFILES["swapped"]
    yield "cut", good[:200]
    yield "rubbish", bytes(range(256)) * 4
    yield "offsets", good[:132] + b"\xff" * 60 + good[192:]
    yield "other pixels", profiles.cmyk()
    yield "link", good[:12] + b"link" + good[16:]
    yield "short", b"\0\0\0\x80"


@pytest.mark.parametrize("ext", FORMATS)
@pytest.mark.parametrize("name,profile", broken_profiles())
def test_broken_profiles_are_ignored_with_a_warning(tmp_path, ext, name, profile):
    im = scene((60, 40))
    process(tmp_path, saved(im, ext), "w=30", "plain.png")
    _, err = process(tmp_path, saved(im, ext, profile), "w=30", "o.png")
    assert "warning: broken-profile" in err
    assert (tmp_path / "o.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    kept, err = process(tmp_path, saved(im, ext, profile), "w=30,cs=keep", "o.png")
    assert "icc_profile" not in kept.info and "warning: broken-profile" in err


def test_the_warning_is_a_header(pixpool):
    from client import http

    (pixpool.root / "bad-icc.jpg").write_bytes(saved(scene((60, 40)), "jpg", b"rubbish"))
    answer = http("GET", f"{pixpool.url}/img/bad-icc.jpg?w=20")
    assert answer.status == 200 and answer.headers["X-Image-Warning"] == "broken-profile"
    assert "X-Image-Warning" not in http("GET", f"{pixpool.url}/img/photo.jpg?w=20").headers


# Ink.


def inks(size=(96, 64)):
    """Every ink in its own direction, and black in the corner."""
    w, h = size
    ramp = Image.linear_gradient("L").resize(size)
    planes = (ramp, ramp.rotate(90).resize(size), ramp.rotate(180), Image.radial_gradient("L").resize(size))
    return Image.merge("CMYK", [p.point(lambda v: v * 3 // 4) for p in planes])


def as_ycck(jpeg):
    """The same file, its Adobe segment saying that the first three components are YCbCr."""
    at = jpeg.index(b"Adobe") + 11
    return jpeg[:at] + b"\2" + jpeg[at + 1 :]


@pytest.mark.parametrize("kind", ["cmyk", "ycck"])
def test_ink_through_the_embedded_profile(tmp_path, kind):
    profile = profiles.cmyk()
    data = saved(inks(), "jpg", profile)
    data = data if kind == "cmyk" else as_ycck(data)
    decoded = Image.open(io.BytesIO(data))
    assert decoded.mode == "CMYK"
    got, err = process(tmp_path, data, "kernel=nearest")
    want = to_srgb(decoded, profile)
    assert "warning" not in err and got.mode == "RGB"
    assert worst(got, want) <= (4 if kind == "cmyk" else 9) and mean(got, want) < 1.0
    for options, out in [("w=40,rotate=90", "o.webp"), ("cs=keep,w=30", "o.jpg"), ("w=50,h=50,fit=pad", "o.png")]:
        small, err = process(tmp_path, data, options, out)
        assert "warning" not in err and small.mode in ("RGB", "RGBA") and "icc_profile" not in small.info


def test_ink_without_a_profile_is_a_guess(tmp_path):
    data = saved(inks(), "jpg")
    got, err = process(tmp_path, data, "kernel=nearest")
    assert "warning: cmyk-without-profile" in err
    assert worst(got, Image.open(io.BytesIO(data)).convert("RGB")) <= 2
    _, err = process(tmp_path, saved(inks(), "jpg", RGB_PROFILES["adobe"]), "w=20")
    assert "warning: broken-profile, cmyk-without-profile" in err


def test_ink_through_the_configured_profile(tmp_path):
    (tmp_path / "ink.icc").write_bytes(profiles.cmyk())
    (tmp_path / "in").write_bytes(saved(inks(), "jpg"))
    key = f"--cmyk_profile={tmp_path / 'ink.icc'}"
    p = run("process", tmp_path / "in", "-o", tmp_path / "o.png", "kernel=nearest", key)
    assert p.returncode == 0 and "warning" not in p.err
    want = to_srgb(Image.open(tmp_path / "in"), profiles.cmyk())
    with Image.open(tmp_path / "o.png") as got:
        assert worst(got, want) <= 4 and mean(got, want) < 1.0
    # A profile of its own goes first.
    other = profiles.table(b"CMYK", 4, lambda v: (100 - 100 * v[3], 0, 0))
    (tmp_path / "in").write_bytes(saved(inks(), "jpg", other))
    run("process", tmp_path / "in", "-o", tmp_path / "o.png", "kernel=nearest", key)
    with Image.open(tmp_path / "o.png") as got:
        assert worst(got, to_srgb(Image.open(tmp_path / "in"), other)) <= 4


def test_a_configured_profile_must_be_one_of_ink(tmp_path, start_pixpool):
    (tmp_path / "rgb.icc").write_bytes(RGB_PROFILES["p3"])
    for path, says in [(tmp_path / "rgb.icc", "colour profile"), (tmp_path / "none.icc", "No such file")]:
        for command in (["check"], ["serve"]):
            p = run(*command, f"--cmyk_profile={path}", f"--listen=unix:{tmp_path}/s.sock")
            assert p.returncode != 0 and says in p.err + p.stdout.decode()


def test_workers_have_the_configured_profile(tmp_path, start_pixpool):
    from client import http

    (tmp_path / "ink.icc").write_bytes(profiles.cmyk())
    p = start_pixpool(workers=1, cmyk_profile=tmp_path / "ink.icc")
    (p.root / "ink.jpg").write_bytes(saved(inks(), "jpg"))
    answer = http("GET", f"{p.url}/img/ink.jpg?kernel=nearest&format=png")
    assert answer.status == 200 and "X-Image-Warning" not in answer.headers
    want = to_srgb(Image.open(p.root / "ink.jpg"), profiles.cmyk())
    assert worst(Image.open(io.BytesIO(answer.body)), want) <= 4


def test_the_etag_holds_the_configured_profile(tmp_path, start_pixpool):
    """The contents it had at the start, which workers that are born later work with, too."""
    from client import http

    ink = tmp_path / "ink.icc"
    tags, other = [], profiles.table(b"CMYK", 4, lambda v: (100 - 100 * v[3], 0, 0))
    for data in (None, profiles.cmyk(), other, profiles.cmyk()):
        if data:
            ink.write_bytes(data)
        p = start_pixpool(workers=1, worker_jobs=1, **({"cmyk_profile": ink} if data else {}))
        (p.root / "ink.jpg").write_bytes(saved(inks(), "jpg"))
        os.utime(p.root / "ink.jpg", (10**9, 10**9))
        urls = (f"{p.url}/img/ink.jpg?format=png&kernel=nearest", f"{p.url}/api/images/info?src=ink.jpg")
        tags.append([http("GET", url).headers["ETag"] for url in urls])
        if data == other:
            ink.write_bytes(profiles.cmyk())
            got = [http("GET", urls[0]) for _ in range(3)]
            assert {a.headers["ETag"] for a in got} == {tags[-1][0]}
            want = to_srgb(Image.open(p.root / "ink.jpg"), other)
            assert all(worst(Image.open(io.BytesIO(a.body)), want) <= 4 for a in got)
    assert tags[1] == tags[3] and all(len({t[i] for t in tags}) == 3 for i in (0, 1))
