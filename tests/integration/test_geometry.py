"""Geometry judged from outside: sizes from their rules written down again, pixels by Pillow and numpy.

One run of the program makes many results, so that hundreds of cases cost a second or two.
"""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw
from program import run
from samples import encoded, scene



def process(source, cases, folder, ext="png", name="in"):
    """The results of one source for many options. source: an image, saved as PNG, or bytes."""
    path = folder / name
    path.write_bytes(encoded(source) if isinstance(source, Image.Image) else source)
    results = []
    for at in range(0, len(cases), 32):
        part, args = cases[at : at + 32], []
        for i, options in enumerate(part):
            args += ["-o", folder / f"{name}-{at + i}.{ext}"] + ([options] if options else [])
        p = run("process", "--quiet", path, *args)
        assert p.returncode == 0, p.err
        for i in range(len(part)):
            im = Image.open(folder / f"{name}-{at + i}.{ext}")
            im.load()
            results.append(im)
    return results


def pixels(im, mode="RGBA"):
    return np.asarray(im.convert(mode)).astype(float)


def premultiplied(im):
    """As what is seen: colour that no alpha shows does not count."""
    p = pixels(im)
    p[..., :3] *= p[..., 3:] / 255
    return p


def half_up(x):
    return max(1, math.floor(x + 0.5))


# Free rotation.

ANGLES = [0.5, 10, 20, 44.9, 45, 45.1, 60, 89, 91, 135, 179.5, 200, 300, 359, -30, -77.25, -190]


def rotated_size(size, angle):
    w, h = size
    s, c = abs(math.sin(math.radians(angle))), abs(math.cos(math.radians(angle)))
    return half_up(w * c + h * s), half_up(w * s + h * c)


def back(size, angle, result):
    """Where in the source each pixel of the result lies, as arrays of x and y in sample positions."""
    s, c = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    x, y = np.meshgrid(np.arange(result[0]) + 0.5 - result[0] / 2, np.arange(result[1]) + 0.5 - result[1] / 2)
    return x * c + y * s + size[0] / 2 - 0.5, y * c - x * s + size[1] / 2 - 0.5


def keys(t):
    """The cubic of Keys, 1981, a = -0.5."""
    t = np.abs(t)
    return np.where(t < 1, (1.5 * t - 2.5) * t * t + 1, np.where(t < 2, ((-0.5 * t + 2.5) * t - 4) * t + 2, 0))


def rotated_in_doubles(im, angle, result):
    source, (x, y) = pixels(im, "RGB"), back(im.size, angle, result)
    total = np.zeros((result[1], result[0], 3))
    for j in range(-1, 3):
        for i in range(-1, 3):
            u, v = np.floor(x) + i, np.floor(y) + j
            at = source[np.clip(v, 0, im.height - 1).astype(int), np.clip(u, 0, im.width - 1).astype(int)]
            total += at * (keys(x - u) * keys(y - v))[..., None]
    return np.clip(total, 0, 255)


def rotated_by_pillow(im, angle, size):
    """Of an image with a margin that repeats its edge, so that edges look as they do inside."""
    wide = np.pad(np.asarray(im.convert("RGB")), ((8, 8), (8, 8), (0, 0)), mode="edge")
    s, c = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    cx, cy, x0, y0 = size[0] / 2, size[1] / 2, wide.shape[1] / 2, wide.shape[0] / 2
    matrix = (c, s, x0 - cx * c - cy * s, -s, c, y0 + cx * s - cy * c)
    return Image.fromarray(wide).transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def covered(size, inside):
    """What a shape covers of each pixel, 0 .. 255. inside: whether points are in it, for arrays of x and y."""
    k = 8
    x, y = (np.arange(size[0] * k) + 0.5) / k, (np.arange(size[1] * k) + 0.5) / k
    hits = inside(x[None, :], y[:, None]) & np.ones((len(y), len(x)), bool)
    return hits.reshape(size[1], k, size[0], k).mean(axis=(1, 3)) * 255


def rotated_cover(size, angle, result):
    s, c = math.sin(math.radians(angle)), math.cos(math.radians(angle))

    def inside(x, y):
        x, y = x - result[0] / 2, y - result[1] / 2
        return (np.abs(x * c + y * s) < size[0] / 2) & (np.abs(y * c - x * s) < size[1] / 2)

    return covered(result, inside)


@pytest.mark.parametrize("size", [(90, 61), (40, 80)])
def test_free_rotation(tmp_path, size):
    source = scene(size)
    for angle, got in zip(ANGLES, process(source, [f"rotate={a}" for a in ANGLES], tmp_path)):
        assert got.size == rotated_size(size, angle), angle
        assert got.mode == "RGBA"
        cover, p = rotated_cover(size, angle, got.size), pixels(got)
        assert np.abs(p[..., 3] - cover).max() <= 40 and np.abs(p[..., 3] - cover).mean() < 1.5, angle
        inside = cover == 255
        # positions at 1/256 of a pixel, over steps of 230 levels
        assert np.abs(p[..., :3] - rotated_in_doubles(source, angle, got.size))[inside].max() <= 2, angle
        # Pillow's cubic is sharper: a = -1
        other = np.abs(p[..., :3] - pixels(rotated_by_pillow(source, angle, got.size), "RGB"))[inside]
        assert other.max() <= 24 and other.mean() < 1, angle
        assert p[cover == 0][:, 3].max(initial=0) <= 24


def test_corners_are_bg(tmp_path):
    red = Image.new("RGB", (60, 40), "red")
    options = ["rotate=30", "rotate=30,bg=blue", "rotate=30,bg=0000ff80"]
    plain, blue, half = process(red, options, tmp_path)
    assert plain.getpixel((0, 0))[3] == 0
    assert blue.mode == "RGB" and blue.getpixel((0, 0)) == (0, 0, 255)
    assert half.getpixel((0, 0)) == (0, 0, 255, 128) and half.getpixel((plain.width // 2, plain.height // 2)) == (255, 0, 0, 255)
    white = process(red, ["rotate=30,q=100"], tmp_path, "jpg")[0]
    assert min(white.getpixel((0, 0))) >= 254
    # the edge runs from one colour to the other and beyond neither
    p = pixels(blue)
    assert (p[..., 1] == 0).all() and np.abs(p[..., 0] + p[..., 2] - 255).max() <= 1


def test_transparency_turns_without_dark_edges(tmp_path):
    im = Image.new("RGBA", (60, 60), (0, 0, 255, 0))
    ImageDraw.Draw(im).ellipse((10, 10, 50, 50), fill=(250, 200, 100, 255))
    got = pixels(process(im, ["rotate=33"], tmp_path)[0])
    shown = got[..., 3] > 64
    assert np.abs(got[shown][:, :3] - (250, 200, 100)).max() <= 6
    opaque = got[..., 3] == 255
    assert np.abs(got[opaque][:, :3] - (250, 200, 100)).max() <= 1


def test_quarter_turns_stay_exact(tmp_path):
    source = scene((31, 20))
    turns = {"90": 90, "-270": 90, "90.0": 90, "180": 180, "-180": 180, "270": 270, "-90": 270, "360": 0, "-360": 0, "0": 0}
    for (text, degrees), got in zip(turns.items(), process(source, [f"rotate={t}" for t in turns], tmp_path)):
        assert got.tobytes() == source.rotate(-degrees, expand=True).tobytes(), text


def test_four_quarters_are_the_identity(tmp_path):
    source = scene((23, 41), "RGBA")
    im = source
    for _ in range(4):
        im = process(im, ["rotate=90"], tmp_path)[0]
    assert im.tobytes() == source.tobytes()


def test_a_mirror_follows_the_rotation(tmp_path):
    source = scene((50, 30))
    options = ["rotate=25", "rotate=25,flip=v", "rotate=25,flip=h", "rotate=25,flip=hv", "rotate=110", "rotate=110,flop=1"]
    plain, v, h, hv, far, flopped = [premultiplied(im) for im in process(source, options, tmp_path)]
    for got, want in ((v, plain[::-1]), (h, plain[:, ::-1]), (hv, plain[::-1, ::-1]), (flopped, far[:, ::-1])):
        assert got.shape == want.shape and np.abs(got - want).max() <= 2


def test_a_padded_box_turns_as_a_whole(tmp_path):
    """The picture lies where it would if the canvas were an image of its own."""
    source = scene((60, 20))
    boxed = process(source, ["w=60,h=60,fit=pad,g=north,bg=white"], tmp_path)[0]
    got = process(source, ["w=60,h=60,fit=pad,g=north,bg=white,rotate=20"], tmp_path)[0]
    want = process(boxed, ["rotate=20,bg=white"], tmp_path)[0]
    assert got.size == want.size
    # the canvas blends into the picture's edge in `want`
    assert np.abs(pixels(got) - pixels(want)).mean() < 1.5


# Padding, border, round corners.


def test_pad_and_border(tmp_path):
    source = scene((40, 30))
    options = ["pad=5", "pad=1,2,3,4", "pad=1,2,bg=red", "border=3,lime", "pad=1,2,3,4,border=3,lime", "dpr=2,pad=3,border=2",
               "rotate=90,pad=1,2,3,4", "border=3,00ff0080,bg=black"]
    got = process(source, options, tmp_path)
    sizes = [(50, 40), (46, 34), (44, 32), (46, 36), (52, 40), (60, 50), (36, 44), (46, 36)]
    assert [im.size for im in got] == sizes
    places = [(5, 5), (4, 1), (2, 1), (3, 3), (7, 4), (10, 10), (4, 1), (3, 3)]
    for im, (x, y), options in zip(got, places, options):
        inner = source.rotate(-90, expand=True) if "rotate" in options else source
        box = (x, y, x + inner.width, y + inner.height)
        assert im.convert("RGB").crop(box).tobytes() == inner.tobytes(), options
    assert got[0].getpixel((4, 4)) == (0, 0, 0, 0)
    assert got[2].mode == "RGB" and got[2].getpixel((1, 0)) == (255, 0, 0)
    assert got[3].mode == "RGB" and got[3].getpixel((2, 35)) == (0, 255, 0)
    assert got[4].getpixel((2, 2)) == (0, 255, 0, 255) and got[4].getpixel((3, 3)) == (0, 0, 0, 0)
    assert got[5].getpixel((3, 3)) == (0, 0, 0, 255) and got[5].getpixel((4, 4))[3] == 0
    assert got[7].getpixel((0, 0)) == (0, 128, 0)


def test_round_corners(tmp_path):
    source = scene((61, 40))
    options = ["radius=12", "radius=max", "radius=500", "dpr=2,radius=6", "radius=12,bg=red"]
    got = process(source, options, tmp_path)
    for im, radius in zip(got, (12, 20, 20, 12, 12)):

        def inside(x, y, r=radius, margin=0):
            return np.hypot(np.maximum(np.abs(x - 30.5) - 30.5 + r, 0), np.maximum(np.abs(y - 20) - 20 + r, 0)) < r - margin

        cover = covered((61, 40), inside)
        p, want = pixels(im), pixels(source)
        if im.mode == "RGBA":
            assert np.abs(p[..., 3] - cover).max() <= 20 and np.abs(p[..., 3] - cover).mean() < 0.5
        else:
            assert im.getpixel((0, 0)) == (255, 0, 0)
        far = covered((61, 40), lambda x, y: inside(x, y, margin=0.5)) == 255
        assert (p[far] == want[far]).all()
    assert got[1].tobytes() == got[2].tobytes() and got[0].tobytes() == got[3].tobytes()
    jpeg = process(source, ["radius=12,q=100"], tmp_path, "jpg")[0]
    assert min(jpeg.getpixel((0, 0))) >= 250


def test_a_border_is_round_on_both_sides(tmp_path):
    got = process(Image.new("RGB", (60, 60), "white"), ["border=8,blue,radius=20"], tmp_path)[0]
    assert got.getpixel((0, 0))[3] == 0
    for x, y in ((38, 0), (0, 38), (38, 7), (8, 8), (7, 38)):
        assert got.getpixel((x, y)) == (0, 0, 255, 255), (x, y)
    for x, y in ((38, 8), (12, 12), (8, 38)):
        assert got.getpixel((x, y)) == (255, 255, 255, 255), (x, y)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_stays_grey_unless_a_colour_is_asked(tmp_path, mode):
    source = scene((40, 30)).convert(mode)
    options = ["rotate=30,bg=white", "border=2,808080,bg=white", "radius=8,bg=white", "border=2,red", "rotate=30,bg=red", "rotate=10"]
    modes = [im.mode for im in process(source, options, tmp_path)]
    assert modes[:3] == ["L"] * 3 and modes[4] == "RGB"
    assert modes[3] == ("RGB" if mode == "L" else "RGBA") and modes[5] == "LA"


@pytest.mark.parametrize("options", ["rotate=17,pad=3,border=2,red,radius=5", "rotate=-200.5,w=20,h=20,fit=pad", "radius=max,pad=2"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3)])
def test_tiny_images(tmp_path, options, size):
    process(scene((8, 8)).resize(size), [options], tmp_path)
    process(scene((8, 8), "RGBA").resize(size), [options], tmp_path)
    process(scene((8, 8)).resize(size), [options], tmp_path, "jpg")
