"""Every fit, gravity word and orientation beside the same by Pillow; odd sizes; what must not change when done again."""

import random

import numpy as np
import pytest
from PIL import Image

from client import http
from samples import scene
from test_analyse import stored_as
from test_geometry import half_up, pixels, process

FITS = ("inside", "cover", "pad", "stretch", "outside")
WORDS = {"center": (1, 1), "north": (1, 0), "northeast": (2, 0), "east": (2, 1), "southeast": (2, 2), "south": (1, 2),
         "southwest": (0, 2), "west": (0, 1), "northwest": (0, 0), "top": (1, 0), "top-right": (2, 0), "right": (2, 1),
         "bottom-right": (2, 2), "bottom": (1, 2), "bottom-left": (0, 2), "left": (0, 1), "top-left": (0, 0)}


def fitted(size, box, fit, enlarge=False):
    """Size of the result by API's words, in fractions: all of it once more, by somebody who has not read the code."""
    (w, h), (bw, bh) = size, box
    small, large = min(bw / w, bh / h), max(bw / w, bh / h)
    if fit == "pad":
        return box
    if fit == "stretch":
        return box if enlarge else (min(bw, w), min(bh, h))
    if fit == "cover":
        if large <= 1 or enlarge:
            return box
        return half_up(min(w, bw / large)), half_up(min(h, bh / large))
    scale = small if fit == "inside" else large
    scale = scale if enlarge else min(scale, 1)
    return half_up(w * scale), half_up(h * scale)


def by_pillow(im, box, fit, halves):
    """The same picture by Pillow's Lanczos, for boxes smaller than the image."""
    (w, h), (bw, bh) = im.size, box
    if fit == "cover":
        s = max(bw / w, bh / h)
        x, y = (w - bw / s) * halves[0] / 2, (h - bh / s) * halves[1] / 2
        return im.resize(box, Image.Resampling.LANCZOS, (x, y, x + bw / s, y + bh / s))
    if fit == "pad":
        inner = im.resize(fitted(im.size, box, "inside"), Image.Resampling.LANCZOS)
        canvas = Image.new("RGB", box, "red")
        canvas.paste(inner, ((bw - inner.width) * halves[0] // 2, (bh - inner.height) * halves[1] // 2))
        return canvas
    return im.resize(fitted(im.size, box, fit), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("fit", FITS)
def test_every_fit_and_word_by_pillow(tmp_path, fit):
    source = scene((151, 100))
    cases = [(box, word) for box in ((40, 40), (90, 20)) for word in (WORDS if fit in ("cover", "pad") else ["center"])]
    results = process(source, [f"w={b[0]},h={b[1]},fit={fit},g={word},bg=red" for b, word in cases], tmp_path)
    for (box, word), got in zip(cases, results):
        want = by_pillow(source, box, fit, WORDS[word])
        assert got.size == want.size, (box, word)
        difference = np.abs(pixels(got, "RGB") - pixels(want, "RGB"))
        assert difference.max() <= 5 and difference.mean() < 0.5, (box, word, difference.max())


def test_sizes_of_every_fit(tmp_path):
    rng = random.Random(5)
    for size in ((64, 48), (37, 91), (1, 1), (1, 40), (90, 1)):
        cases = []
        for _ in range(32):
            fit, enlarge, box = rng.choice(FITS), rng.random() < 0.5, (rng.randint(1, 120), rng.randint(1, 120))
            cases.append((fit, enlarge, box))
        results = process(scene(size), [f"w={b[0]},h={b[1]},fit={f},enlarge={int(e)}" for f, e, b in cases], tmp_path)
        for (fit, enlarge, box), got in zip(cases, results):
            assert got.size == fitted(size, box, fit, enlarge), (size, fit, enlarge, box)


def test_crops_that_scale_nothing_copy_pixels(tmp_path):
    """Also where the middle lies between two pixels, and where enlarging is allowed."""
    im = scene((121, 80))
    cases = ["w=40,h=80,fit=cover", "w=40,h=80,fit=cover,enlarge=1", "w=90,h=80,fit=cover,fpx=0.41"]
    for options, got in zip(cases, process(im, cases, tmp_path)):
        crops = [im.crop((x, 0, x + got.width, 80)) for x in range(122 - got.width)]
        assert got.height == 80 and any(got.convert("RGB").tobytes() == crop.tobytes() for crop in crops), options


def test_what_was_fitted_fits(tmp_path):
    """Once more with the same options, sizes stay."""
    for options in ("w=50", "h=33", "w=50,h=40", "w=40,h=40,fit=cover", "w=60,h=40,fit=pad", "w=30,h=70,fit=stretch", "w=90,h=20,fit=outside"):
        once = process(scene((123, 77)), [options], tmp_path)[0]
        assert process(once, [options], tmp_path)[0].size == once.size, options


def test_percent_and_dpr(tmp_path):
    source = scene((101, 60))
    options = ["w=50p", "h=50%", "w=10,dpr=2.5", "w=10,h=10,fit=pad,dpr=3", "w=50p,dpr=2", "rect=10p,20p,50p,50p", "rect=1,2,50p,30"]
    sizes = [(51, 30), (51, 30), (25, 15), (30, 30), (51, 30), (51, 30), (51, 30)]
    assert [im.size for im in process(source, options, tmp_path)] == sizes


@pytest.mark.parametrize("kernel, filter", [("lanczos3", Image.Resampling.LANCZOS), ("catrom", Image.Resampling.BICUBIC),
                                            ("bilinear", Image.Resampling.BILINEAR), ("box", Image.Resampling.BOX)])
def test_kernels_by_pillow(tmp_path, kernel, filter):
    source = scene((97, 64))
    for size in ((40, 26), (180, 119)):
        got = process(source, [f"w={size[0]},h={size[1]},fit=stretch,enlarge=1,kernel={kernel}"], tmp_path)[0]
        difference = np.abs(pixels(got, "RGB") - pixels(source.resize(size, filter), "RGB"))
        # Both round to bytes between the passes, Pillow behind the other one: at steps of 230 levels that shows. Where
        # a box ends on a sample's centre, one takes it and the other does not.
        assert difference.mean() < (1.5 if kernel == "box" else 0.4) and (kernel == "box" or difference.max() <= 10), (size, difference.max())


@pytest.mark.parametrize("kernel", ["lanczos2", "mitchell", "nearest"])
def test_the_other_kernels_keep_the_picture(tmp_path, kernel):
    source = scene((97, 64))
    got = process(source, [f"w=48,h=32,fit=stretch,kernel={kernel}"], tmp_path)[0]
    assert np.abs(pixels(got, "RGB") - pixels(source.resize((48, 32), Image.Resampling.BICUBIC), "RGB")).mean() < 4


# Orientation.


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(tmp_path, format, orientation):
    im = scene((90, 50))
    more = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "PNG": {}}[format]
    data = stored_as(im, orientation, format, **more)
    options = ["", "w=45", "w=30,h=30,fit=cover,g=east", "rect=45,0,45,25", "rotate=90", "flip=h", "w=30,h=30,fit=cover,fpx=0.1", "autorotate=0"]
    got = process(data, options, tmp_path)
    wanted = [im, im.resize((45, 25), Image.Resampling.LANCZOS), by_pillow(im, (30, 30), "cover", (2, 1)), im.crop((45, 0, 90, 25)),
              im.rotate(-90, expand=True), im.transpose(Image.Transpose.FLIP_LEFT_RIGHT), by_pillow(im, (30, 30), "cover", (0, 1))]
    for one, want, option in zip(got, wanted, options):
        assert one.size == want.size, option
        assert np.abs(pixels(one, "RGB") - pixels(want, "RGB")).max() <= (6 if format == "JPEG" else 3), option
    assert got[-1].size == ((50, 90) if orientation >= 5 else (90, 50))


# Odd sizes.


@pytest.mark.parametrize("size, format", [((1, 1), "JPEG"), ((1, 1), "PNG"), ((1, 1), "WEBP"), ((16384, 1), "PNG"), ((1, 16384), "PNG"),
                                          ((16384, 2), "JPEG"), ((3, 16384), "JPEG"), ((16383, 1), "WEBP"), ((2, 16383), "WEBP"),
                                          ((16383, 5), "JPEG"), ((7, 16383), "PNG")])
def test_odd_sizes(tmp_path, size, format):
    data = stored_as(Image.new("RGB", size, (90, 120, 200)), 1, format)
    w, h = size
    options = ["", "w=7,h=5,fit=stretch,enlarge=1", "w=1", "h=1", "w=8,h=8,fit=cover", "w=8,h=8,fit=pad", "rotate=90",
               "w=20,h=90,fit=stretch,rotate=7",
               "linear=1,w=3,h=3,fit=stretch,enlarge=1", "trim=,w=4"]
    for option, im in zip(options, process(data, options, tmp_path)):
        p = pixels(im)
        assert np.abs(p[p[..., 3] == 255][:, :3] - (90, 120, 200)).max(initial=0) <= 4, option
    assert process(data, ["", "rotate=90"], tmp_path)[1].size == (h, w)


def test_the_largest_result(tmp_path):
    got = process(scene((4, 1)), ["w=16384,h=1,enlarge=1,fit=stretch"], tmp_path)[0]
    assert got.size == (16384, 1)


# explain=1.


def test_explain(start_pixpool):
    p = start_pixpool()
    plan = http("GET", f"{p.url}/img/photo.jpg?w=300&h=300&fit=cover&explain=1")
    assert plan.status == 200 and plan.headers["Content-Type"] == "application/json"
    assert plan.headers["Cache-Control"] == "no-store"
    told = plan.json()
    assert (told["source"]["width"], told["source"]["height"]) == (1200, 800)
    assert told["crop_stored"] == {"x": 200.0, "y": 0.0, "width": 800.0, "height": 800.0}
    assert told["decode_scale"] == "4/8" and told["path"] == "planes" and not told["collected_whole"]
    assert told["result"]["width"] == told["result"]["height"] == 300 and told["result"]["size_is_known"]
    assert told["cost_ms"] > 0 and told["memory_bytes"] > 0
    photo = (p.root / "photo.jpg").read_bytes()
    posted = http("POST", f"{p.url}/api/images/process?trim=&w=30&explain=1", photo, {"Content-Type": "image/jpeg"}).json()
    assert posted["looks_at"] == ["border at full resolution"] and not posted["result"]["size_is_known"]
    refused = http("POST", f"{p.url}/api/images/renditions?explain=1", photo, {"Content-Type": "image/jpeg"})
    assert refused.status == 400 and refused.json()["option"] == "explain"


def test_explain_is_for_operators(start_pixpool):
    p = start_pixpool(admin_allow="192.0.2.1")
    assert http("GET", f"{p.url}/img/photo.jpg?explain=1").status == 403
    assert http("GET", f"{p.url}/img/photo.jpg?explain=0&w=9").status == 200
