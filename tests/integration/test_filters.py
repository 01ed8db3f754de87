"""Filters through every door, judged by Pillow and by the formulas in docs/filters.md worked out in doubles here."""

import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client import http
from samples import scene

TOP = Path(__file__).resolve().parents[2]
BIN = TOP / os.environ.get("PIXPOOL_BUILD", "build") / "pixpool"


def encoded(im, **options):
    out = io.BytesIO()
    im.save(out, **options)
    return out.getvalue()


def process(data, *options, format="png"):
    """Through the command line: the decoded result."""
    wanted = ",".join([*options, f"format={format}"])
    p = subprocess.run([BIN, "process", "-", "-o", "-", wanted], input=data, capture_output=True)
    assert p.returncode == 0, p.stderr
    im = Image.open(io.BytesIO(p.stdout))
    im.load()
    return im


def array(im, mode="RGB"):
    return np.asarray(im.convert(mode)).astype(float)


def distance(a, b):
    """The mean and the largest difference of two pictures."""
    d = np.abs(np.asarray(a, float) - np.asarray(b, float))
    return d.mean(), d.max()


PICTURE = scene((240, 160))
PNG = encoded(PICTURE, format="PNG")
JPEG = encoded(PICTURE, format="JPEG", quality=97)
ALPHA = encoded(scene((240, 160), "RGBA"), format="PNG")


# Pixelation.


def squares(a, side):
    """Mean of each square; the sides divide evenly."""
    h, w, n = a.shape
    means = a.reshape(h // side, side, w // side, side, n).mean((1, 3), keepdims=True)
    return np.broadcast_to(means, (h // side, side, w // side, side, n)).reshape(h, w, n)


def test_pixelation_is_the_mean_of_squares():
    got = array(process(PNG, "pixel=20"))
    assert distance(got, squares(array(PICTURE), 20))[1] <= 0.5


def test_pixelation_on_planes():
    got = array(process(JPEG, "pixel=16", "q=95", format="jpeg"))
    assert distance(got, squares(array(PICTURE), 16))[0] < 1.5


def test_filters_see_only_the_picture():
    got = array(process(PNG, "w=300", "h=300", "fit=pad", "bg=red", "pixel=40"))
    assert (got[:70] == [255, 0, 0]).all() and (got[230:] == [255, 0, 0]).all()
    assert distance(got[70:230, 30:270], squares(array(PICTURE), 40))[1] <= 0.5


def test_alpha_is_composed_after_the_filters():
    clear = array(process(ALPHA, "pixel=20"), "RGBA")
    got = array(process(ALPHA, "pixel=20", "bg=00f"))
    a = clear[..., 3:] / 255
    assert distance(got, clear[..., :3] * a + np.array([0, 0, 255.0]) * (1 - a))[1] <= 1.5


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module()


@pytest.mark.parametrize("path", ["/img/alpha.png?pixelate=10", "/img/pixel=10/alpha.png"])
def test_doors(server, path):
    answer = http("GET", server.url + path)
    assert answer.status == 200, answer.body
    a = array(Image.open(io.BytesIO(answer.body)), "RGBA")
    assert (a[:10, :10] == a[0, 0]).all() and (a[:10, 10] != a[0, 0]).any()


@pytest.mark.parametrize("options", ["pixel=0", "pixel=513"])
def test_out_of_range(server, options):
    assert http("GET", f"{server.url}/img/photo.jpg?{options}").status == 400
