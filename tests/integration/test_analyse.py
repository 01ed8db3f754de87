"""What is decided by pixels: trim by Pillow's bounding box of what differs, smart and entropy by where things were drawn."""


import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from client import http
from samples import encoded, scene
from test_geometry import process

ORIENT = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}


def stored_as(im, orientation, format, **more):
    """A file that shows im, stored turned and with the orientation that undoes it."""
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = im if ORIENT[undo] is None else im.transpose(ORIENT[undo])
    return encoded(turned, format, exif=exif.tobytes(), **more)


def bordered(inner, border, colour=(255, 255, 255)):
    """border: left, top, right, bottom."""
    left, top, right, bottom = border
    im = Image.new(inner.mode, (left + inner.width + right, top + inner.height + bottom), colour)
    im.paste(inner, (left, top))
    return im


def bounding_box(im, threshold):
    """By Pillow: what differs from the top left pixel by more than the threshold in any channel."""
    flat = Image.new(im.mode, im.size, im.getpixel((0, 0)))
    channels = [c.point(lambda v: 255 * (v > threshold)) for c in ImageChops.difference(im, flat).split()]
    box = None
    for c in channels:
        b = c.getbbox()
        if b:
            box = b if box is None else (min(box[0], b[0]), min(box[1], b[1]), max(box[2], b[2]), max(box[3], b[3]))
    return box or (0, 0, *im.size)


# Trim.


@pytest.mark.parametrize("mode, colour", [("RGB", (255, 255, 255)), ("RGB", (10, 200, 30)), ("L", 0), ("RGBA", (0, 0, 0, 0))])
@pytest.mark.parametrize("border", [(17, 9, 5, 23), (1, 0, 0, 1), (0, 13, 0, 0), (0, 0, 0, 0), (40, 40, 40, 40)])
def test_trim_is_exact(tmp_path, mode, colour, border):
    im = bordered(scene((61, 47)).convert(mode), border, colour)
    for options, threshold in (("trim=", 10), ("trim=0", 0), ("trim=60", 60)):
        box = bounding_box(im, threshold)
        got = process(im, [options], tmp_path)[0]
        assert got.size == (box[2] - box[0], box[3] - box[1]), (options, box)
        assert got.convert(mode).tobytes() == im.crop(box).tobytes()


def test_what_transparent_pixels_hide_is_border(tmp_path):
    rng = np.random.default_rng(1)
    hidden = rng.integers(0, 256, (60, 80, 4), np.uint8)
    hidden[..., 3] = 0
    im = Image.fromarray(hidden)
    im.paste(scene((30, 20)).convert("RGBA"), (11, 13))
    assert process(im, ["trim=0"], tmp_path)[0].size == (30, 20)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_trim_of_what_is_shown(tmp_path, format, orientation):
    """The top left corner counts as it is shown, wherever it is stored: another one would find another border."""
    inner = bordered(Image.new("RGB", (50, 40), (30, 60, 90)), (3, 2, 4, 7), (200, 40, 40))
    more = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "PNG": {}}[format]
    for border in ((16, 0, 0, 0), (0, 24, 0, 0)):
        im = bordered(inner, border)
        got = process(stored_as(im, orientation, format, **more), ["trim=30"], tmp_path)[0]
        assert got.size == inner.size
        assert np.abs(np.asarray(got.convert("RGB")).astype(int) - np.asarray(inner)).max() <= 8


@pytest.mark.parametrize("quality", [95, 80])
def test_trim_of_a_photograph_finds_the_edge_at_full_resolution(tmp_path, quality):
    im = bordered(scene((803, 601)).point(lambda v: v // 2), (101, 53, 37, 211))
    got = process(encoded(im, "JPEG", quality=quality), ["trim=40"], tmp_path)[0]
    assert abs(got.width - 803) <= 1 and abs(got.height - 601) <= 1


def test_all_border_is_left_alone(tmp_path):
    assert process(Image.new("RGB", (30, 20), "red"), ["trim="], tmp_path)[0].size == (30, 20)


def test_trim_goes_between_rect_and_fit(tmp_path):
    im = bordered(scene((80, 40)), (20, 20, 20, 20))
    options = ["trim=,w=40", "rect=10,10,50,100,trim=", "trim=,w=50p", "trim=,w=20,h=20,fit=cover", "trim=,rotate=90,pad=1",
               "trim=,w=90,h=90,fit=pad", "trim=,w=300,enlarge=1"]
    sizes = [(40, 20), (40, 40), (40, 20), (20, 20), (42, 82), (90, 90), (300, 150)]
    assert [im.size for im in process(im, options, tmp_path)] == sizes


def test_head_tells_only_what_is_known(server_with_border):
    def sizes(options):
        a = http("HEAD", f"{server_with_border}/img/bordered.png?{options}")
        assert a.status == 200 and a.headers["X-Source-Width"] == "120"
        return a.headers["X-Image-Width"], a.headers["X-Image-Height"]

    assert sizes("trim=&w=40") == (None, None)
    assert sizes("trim=&w=50&h=50&fit=pad") == ("50", "50")
    assert sizes("w=50&h=50&fit=cover&g=smart") == ("50", "50")
    got = http("GET", f"{server_with_border}/img/bordered.png?trim=&w=40")
    assert (got.headers["X-Image-Width"], got.headers["X-Image-Height"]) == ("40", "20")


@pytest.fixture(scope="module")
def server_with_border(start_pixpool_module):
    p = start_pixpool_module()
    bordered(scene((80, 40)), (20, 20, 20, 20)).save(p.root / "bordered.png")
    return p.url


# Smart and entropy.

SKIN = (224, 172, 136)


def with_spot(size, at, colour=SKIN, radius=20):
    im = Image.new("RGB", size, (110, 125, 140))
    ImageDraw.Draw(im).ellipse((at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius), fill=colour)
    return im


def spot_in(im, colour=SKIN):
    """How much of what was drawn is still there, 0 .. 1, for radius 20 at scale 1."""
    d = np.abs(np.asarray(im.convert("RGB")).astype(int) - colour).max(axis=2)
    return (d < 40).sum() / (np.pi * 400)


@pytest.mark.parametrize("word", ["smart", "attention", "entropy"])
@pytest.mark.parametrize("size, places", [((400, 100), [(30, 50), (120, 50), (200, 50), (370, 50)]),
                                          ((100, 300), [(50, 30), (50, 130), (50, 270)])])
def test_the_crop_follows_what_matters(tmp_path, word, size, places):
    for at in places:
        if word == "entropy":
            im = Image.new("RGB", size, (110, 125, 140))
            noise = np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)
            im.paste(Image.fromarray(noise), (at[0] - 20, at[1] - 20))
        else:
            im = with_spot(size, at)
        got = process(im, [f"w=100,h=100,fit=cover,g={word}"], tmp_path)[0]
        assert got.size == (100, 100)
        if word == "entropy":
            busy = (np.asarray(got.convert("RGB")).astype(int) - (110, 125, 140)).any(axis=2).sum()
            assert busy > 1500, at
        else:
            assert spot_in(got) > 0.95, at


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_smart_sees_what_is_shown(tmp_path, format, orientation):
    im = with_spot((300, 90), (250, 45))
    got = process(stored_as(im, orientation, format), ["w=90,h=90,fit=cover,g=smart"], tmp_path)[0]
    assert spot_in(got) > 0.9


def test_smart_shrinks_large_sources(tmp_path):
    im = with_spot((3000, 1000), (2600, 500), radius=200)
    for format in ("JPEG", "PNG"):
        got = process(encoded(im, format), ["w=100,h=100,fit=cover,g=smart"], tmp_path)[0]
        assert spot_in(got) > 0.9


def test_smart_looks_inside_of_rect_and_border(tmp_path):
    im = bordered(with_spot((300, 80), (40, 40)), (100, 10, 300, 10))
    options = ["trim=,w=80,h=80,fit=cover,g=smart", "rect=100,10,300,80,w=80,h=80,fit=cover,g=smart",
               "rect=100,10,300,80,w=80,h=80,fit=cover,g=entropy"]
    for got in process(im, options, tmp_path):
        assert spot_in(got) > 0.9


def test_outputs_of_one_source_look_for_themselves(tmp_path):
    """What was seen for one output serves the next one only where it is the same that matters."""
    im = bordered(with_spot((300, 80), (40, 40)), (100, 10, 300, 10))
    options = ["trim=,w=80,h=80,fit=cover,g=smart", "trim=,w=80,h=80,fit=cover,g=entropy", "trim=", "trim=200", "w=80,h=80,fit=cover,g=smart",
               "rect=500,0,200,100,w=50,h=50,fit=cover,g=smart", "trim="]
    together = process(im, options, tmp_path)
    for option, got in zip(options, together):
        assert got.tobytes() == process(im, [option], tmp_path)[0].tobytes(), option


def test_nothing_to_choose_is_the_centre_or_all(tmp_path):
    im = scene((40, 30))
    plain, smart = process(im, ["w=20", "w=20,g=smart"], tmp_path)
    assert plain.tobytes() == smart.tobytes()
    for size in ((1, 1), (1, 40), (40, 1), (2, 2)):
        for word in ("smart", "entropy"):
            assert process(scene((8, 8)).resize(size), [f"w=5,h=5,fit=cover,g={word},enlarge=1,trim="], tmp_path)[0].size == (5, 5)
