"""However a picture is stored, the same comes out of it: depths, palettes, interlacing, grey as colour, alpha that is all
opaque, orientations, other formats without loss; each through operations of every kind."""


import numpy as np
import pngs
import pytest
from PIL import Image
from samples import encoded, scene
from test_analyse import stored_as
from test_geometry import premultiplied, process

SIZE = (90, 67)
PICTURE = scene(SIZE)
OPTIONS = [
    "", "w=40", "w=33,h=50,fit=cover,g=north", "w=120,h=90,fit=pad,bg=c04080", "h=100,enlarge=1,filter-kernel=catrom", "rect=10p,20p,60p,70p",
    "rotate=90,flip=h", "rotate=33,bg=white", "pad=3,5,border=2,blue", "radius=20", "trim=20", "linear=1,w=31", "blur=2,w=60", "sharp=1", "usm=100,2,3",
    "bri=20,con=-15", "sat=60,hue=40", "gam=1.8", "filt=sepia", "filt=greyscale,w=50", "filt=negate", "filt=duotone", "tint=c08040", "pixel=7",
    "w=30,h=67,fit=cover,g=smart", "w=30,h=67,fit=cover,g=entropy", "bg=40ff0080", "w=1", "w=2,h=90,fit=stretch",
]


def deep(im, colour, interlace=0):
    """16 bits that are 8 twice."""
    px = np.asarray(im).reshape(im.height, -1).astype(int) * 257
    return pngs.png(im.width, im.height, colour, 16, px.tolist(), interlace=interlace)


def with_alpha(im):
    out = im.copy()
    out.putalpha(Image.linear_gradient("L").resize(SIZE))
    return out


def webp(im):
    return encoded(im, "WEBP", lossless=True, exact=True)


GREY, PALETTE = PICTURE.convert("L"), PICTURE.quantize(60)
CLEAR, GREY_CLEAR = with_alpha(PICTURE), with_alpha(GREY)
STORED = {
    "colour": [encoded(PICTURE), encoded(PICTURE.convert("RGBA")), deep(PICTURE, pngs.RGB), deep(PICTURE, pngs.RGB, 1),
               deep(PICTURE.convert("RGBA"), pngs.RGBA), webp(PICTURE)],
    "grey": [encoded(GREY), encoded(GREY.convert("LA")), encoded(GREY.convert("RGB")), encoded(GREY.convert("RGBA")),
             deep(GREY, pngs.GREY), deep(GREY, pngs.GREY, 1), webp(GREY.convert("RGB"))],
    "transparent": [encoded(CLEAR), deep(CLEAR, pngs.RGBA), deep(CLEAR, pngs.RGBA, 1), webp(CLEAR)],
    "transparent grey": [encoded(GREY_CLEAR), encoded(GREY_CLEAR.convert("RGBA")), deep(GREY_CLEAR, pngs.GREY_ALPHA)],
    "palette": [encoded(PALETTE), encoded(PALETTE.convert("RGB"))],
}


@pytest.mark.parametrize("kind", STORED)
def test_the_same_comes_out(tmp_path, kind):
    first, *others = [process(data, OPTIONS, tmp_path) for data in STORED[kind]]
    for number, results in enumerate(others, 1):
        for options, want, got in zip(OPTIONS, first, results):
            assert got.size == want.size, (options, number)
            worst = np.abs(premultiplied(got) - premultiplied(want)).max()
            assert worst <= 3, (options, number, worst)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_however_it_is_turned(tmp_path, orientation):
    """Each pass of the resampler rounds and clamps, and which comes first turns with the picture."""
    first = process(encoded(CLEAR), OPTIONS, tmp_path)
    for options, want, got in zip(OPTIONS, first, process(stored_as(CLEAR, orientation, "PNG"), OPTIONS, tmp_path)):
        difference = np.abs(premultiplied(got) - premultiplied(want))
        assert got.size == want.size and difference.max() <= 10 and difference.mean() < 0.3, (options, difference.max())
