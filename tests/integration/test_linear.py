"""linear=1 against the same resampling in doubles, by numpy: within 2 levels of 255 everywhere."""

import io

import numpy as np
import pytest
from PIL import Image

from samples import encoded, scene
from test_geometry import process


def to_light(v):
    v = v / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def from_light(v):
    v = np.clip(v, 0, 1)
    return 255 * np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def lanczos3(x):
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def weights(n, size, begin, end):
    """A row for each of `size` results from [begin, end) of n samples."""
    step = (end - begin) / size
    shrink = max(1, step)
    centre = begin + (np.arange(size) + 0.5) * step
    w = lanczos3((np.arange(n)[None, :] + 0.5 - centre[:, None]) / shrink)
    return w / w.sum(axis=1, keepdims=True)


def resampled(im, size, box=None):
    x0, y0, x1, y1 = box or (0, 0, *im.size)
    p = np.asarray(im).astype(float)
    p = p[..., None] if p.ndim == 2 else p
    alpha = p[..., -1:] / 255 if im.mode in ("RGBA", "LA") else None
    light = to_light(p[..., :-1] if alpha is not None else p)
    if alpha is not None:
        light = np.concatenate([light * alpha, alpha], axis=2)
    down, across = weights(im.height, size[1], y0, y1), weights(im.width, size[0], x0, x1)
    light = np.einsum("jy,yxc,ix->jic", down, light, across, optimize=True)
    if alpha is None:
        return from_light(light)
    a = light[..., -1:]
    colour = np.divide(light[..., :-1], a, out=np.zeros_like(light[..., :-1]), where=a > 1e-6)
    return np.concatenate([from_light(colour), 255 * np.clip(a, 0, 1)], axis=2)


def stripes(size):
    """Black and white by turns: the case in which light matters most."""
    y, x = np.mgrid[: size[1], : size[0]]
    return Image.fromarray(np.where((x + y) % 2, 255, 0).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_against_doubles(tmp_path, mode):
    source = scene((203, 149), "RGBA" if mode in ("RGBA", "LA") else "RGB").convert(mode)
    options = ["linear=1,w=40", "linear=1,w=199", "linear=1,w=51,h=90,fit=stretch", "linear=1,w=400,enlarge=1",
               "linear=1,w=50,h=50,fit=cover"]
    for option, got in zip(options, process(source, options, tmp_path)):
        box = (27, 0, 176, 149) if "cover" in option else None
        want, have = resampled(source, got.size, box), np.asarray(got.convert(mode)).astype(float).reshape(got.height, got.width, -1)
        difference = np.abs(have - want)
        if mode in ("RGBA", "LA"):
            # what is hardly seen is stored coarsely by everybody
            assert difference[..., -1].max() <= 1.01, option
            difference = difference[..., :-1] * want[..., -1:] / 255
        assert difference.max() <= 2 and difference.mean() < 0.35, (option, difference.max(), difference.mean())


def test_grey_is_the_grey_of_light(tmp_path):
    plain, linear = process(stripes((200, 200)), ["w=50", "w=50,linear=1"], tmp_path)
    centre = (25, 25)
    assert abs(plain.getpixel(centre)[0] - 127) <= 2 and abs(linear.getpixel(centre)[0] - 188) <= 1


def test_jpeg_and_webp(tmp_path):
    for format, more in (("JPEG", {"quality": 95}), ("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 90})):
        data = encoded(scene((400, 300)), format, **more)
        decoded = Image.open(io.BytesIO(data)).convert("RGB")
        got = process(data, ["linear=1,w=100"], tmp_path)[0]
        difference = np.abs(np.asarray(got.convert("RGB")).astype(float) - resampled(decoded, got.size))
        # chroma is brought to full size by another filter than Pillow's decoder has
        assert difference.max() <= 8 and difference.mean() < 0.8, format


def test_it_goes_with_everything_else(tmp_path):
    """Orientation, turns, canvas, other formats; and a copy is a copy in any light."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene((120, 80)), "JPEG", exif=exif.tobytes(), quality=95)
    options = ["w=40,linear=1", "w=40,rotate=90,linear=1", "w=40,h=40,fit=pad,bg=red,linear=1", "w=40,rotate=20,linear=1,filt=greyscale",
               "rect=10,10,40,40,w=20,linear=1"]
    assert [im.size for im in process(data, options, tmp_path)] == [(40, 60), (60, 40), (40, 40), (58, 70), (20, 20)]
    source = scene((60, 40), "RGBA")
    copied = process(source, ["linear=1", "linear=1,rect=3,4,20,20"], tmp_path)
    assert copied[0].tobytes() == source.tobytes() and copied[1].tobytes() == source.crop((3, 4, 23, 24)).tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (5, 3)])
def test_tiny(tmp_path, size):
    for options in ("linear=1,w=3,h=7,fit=stretch,enlarge=1", "linear=1,w=1,h=1,fit=cover"):
        process(scene((8, 8)).resize(size), [options], tmp_path)
        process(scene((8, 8), "RGBA").resize(size), [options], tmp_path, "webp")
