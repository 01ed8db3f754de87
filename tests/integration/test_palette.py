"""palette: PNGs with few colours, judged by Pillow, and beside what pngquant makes of the same pictures."""

import io
import math
import random
import struct
import subprocess

import pytest
from PIL import Image, ImageChops, ImageStat

from program import complaint, run
from samples import encoded, scene

SIZE = (160, 120)


def smooth():
    return scene(SIZE)


def noise():
    rng = random.Random(5)
    return Image.frombytes("RGB", SIZE, rng.randbytes(SIZE[0] * SIZE[1] * 3))


def photo():
    """Structure at every scale: blurred noise, stronger where it is coarser."""
    rng, out = random.Random(6), Image.new("RGB", SIZE, (128, 128, 128))
    for n in (3, 8, 20, 50, 120):
        coarse = Image.frombytes("RGB", (n, n), rng.randbytes(n * n * 3)).resize(SIZE, Image.Resampling.BICUBIC)
        out = Image.blend(out, coarse, 0.35 if n < 50 else 0.12)
    return out


def glass():
    return scene(SIZE, "RGBA")


PICTURES = {"smooth": smooth, "noise": noise, "photo": photo, "glass": glass}


def ours(im, options):
    p = run("process", "-", "-o", "-", f"format=png,{options}", stdin=encoded(im))
    assert p.returncode == 0, p.err
    return p.stdout


def pngquant(im, colours, *words):
    done = subprocess.run(["pngquant", *words, str(colours), "-"], input=encoded(im), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    return im


def on(im, colour):
    """What is seen of it on a page of that colour."""
    im = im.convert("RGBA")
    page = Image.new("RGBA", im.size, colour)
    page.alpha_composite(im)
    return page.convert("RGB")


def psnr(a, b):
    squares = 0.0
    for page in ((0, 0, 0, 255), (255, 255, 255, 255)):
        squares += sum(ImageStat.Stat(ImageChops.difference(on(a, page), on(b, page))).sum2)
    squares /= 6 * a.size[0] * a.size[1]
    return 99.0 if squares == 0 else 10 * math.log10(255 * 255 / squares)


def depth(data):
    assert data[12:16] == b"IHDR" and data[25] == 3, "no palette"
    return data[24]


@pytest.mark.parametrize("colours", [256, 12])
@pytest.mark.parametrize("name", PICTURES)
def test_not_worse_than_pngquant(name, colours):
    im = PICTURES[name]()
    plain = opened(ours(im, f"palette={colours},dither=0"))
    assert len(plain.getcolors()) <= colours
    assert psnr(im, plain) >= psnr(im, opened(pngquant(im, colours, "--nofs"))) - 0.1
    assert psnr(im, opened(ours(im, f"palette={colours}"))) >= psnr(im, opened(pngquant(im, colours))) - 0.5


@pytest.mark.parametrize("colours,bits", [(2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)])
def test_few_colours_come_out_exact(colours, bits):
    rng = random.Random(colours)
    table = [tuple(rng.randrange(256) for _ in range(3)) + (rng.choice((255, 255, 90, 1)),) for _ in range(colours)]
    im = Image.new("RGBA", (61, 40))
    im.putdata([table[i % colours] for i in range(61 * 40)])
    data = ours(im, f"palette={colours}")
    assert depth(data) == bits
    assert opened(data).convert("RGBA").tobytes() == im.tobytes()
    assert len(data) < len(encoded(im))


def test_grey_sources():
    for mode in ("L", "LA"):
        im = Image.linear_gradient("L").resize((90, 60)).point(lambda v: v & 0xF0)
        if mode == "LA":
            im = Image.merge("LA", (im, im.rotate(180)))
        got = opened(ours(im, "palette=256"))
        assert psnr(im, got) == 99


def test_switches():
    im = photo()
    assert ours(im, "palette=") == ours(im, "palette=true") == ours(im, "palette=256")
    assert opened(ours(im, "palette=0")).mode == "RGB"
    assert ours(im, "palette=8") != ours(im, "palette=8,dither=0")
    assert ours(im, "palette=8") == ours(im, "palette=8")


def test_other_formats_ignore_it():
    p = run("process", "-", "-o", "-", "format=jpeg,palette=8", stdin=encoded(smooth()))
    assert opened(p.stdout).format == "JPEG"


@pytest.mark.parametrize("value", ["257", "-2", "8.5", "many"])
def test_out_of_range(value):
    p = run("process", "-", "-o", "-", f"palette={value}", stdin=encoded(smooth()))
    assert "palette" in complaint(p, 2)


def test_transparency_chunk_is_short():
    """tRNS has entries for what is not opaque, and no more."""
    data = ours(glass(), "palette=64")
    at, chunks = 8, {}
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        chunks[kind] = data[at + 8:at + 8 + n]
        at += 12 + n
    entries = len(chunks[b"PLTE"]) // 3
    assert entries <= 64 and 0 < len(chunks[b"tRNS"]) <= entries
    assert chunks[b"tRNS"][-1] < 255
