"""max_bytes: the quality goes down until the result fits, and where it can't, the answer says so."""

import io
import json
import zipfile
from email import policy
from email.parser import BytesParser

import pytest
from PIL import Image, ImageChops, ImageStat

from client import http, multipart
from samples import scene

SOURCE = "busy.jpg?w=300"


@pytest.fixture(scope="module")
def get(pixpool):
    busy = scene((600, 400))
    busy = Image.blend(busy, Image.effect_noise(busy.size, 120).convert("RGB"), 0.3)
    busy.save(pixpool.root / "busy.jpg", quality=95)
    return lambda options, source=SOURCE: http("GET", f"{pixpool.url}/img/{source}&{options}")


def error(a, b):
    a, b = (Image.open(io.BytesIO(x)).convert("RGB") for x in (a, b))
    return sum(ImageStat.Stat(ImageChops.difference(a, b)).sum2)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_what_fits_is_left_alone(get, kind):
    plain = get(f"format={kind}")
    roomy = get(f"format={kind}&max_bytes={len(plain.body)}")
    assert roomy.body == plain.body and "X-Max-Bytes" not in roomy.headers


@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_it_fits(get, kind, share):
    plain = get(f"format={kind}")
    limit = int(len(plain.body) * share)
    got = get(f"format={kind}&mb={limit}")
    assert got.status == 200 and "X-Max-Bytes" not in got.headers
    assert len(got.body) <= limit
    assert got.headers["Content-Type"] == f"image/{kind}"
    assert Image.open(io.BytesIO(got.body)).size == Image.open(io.BytesIO(plain.body)).size
    if kind != "png":  # a palette's size takes what it takes
        assert len(got.body) > limit * 0.8, "much quality was given away"


@pytest.mark.parametrize("options", ["rotate=90", "fit=pad&h=500&bg=red", "chroma=444", "progressive=1",
                                     "format=webp&lossless=0", "pixel=8"])
def test_with_other_operations(get, options):
    plain = get(f"{options}")
    limit = max(1024, len(plain.body) * 6 // 10)
    got = get(f"{options}&max_bytes={limit}")
    # A file of large squares is small whatever its quality.
    assert (len(got.body) > limit) == (got.headers["X-Max-Bytes"] == "exceeded") and (len(got.body) <= limit or options == "pixel=8")
    assert Image.open(io.BytesIO(got.body)).size == Image.open(io.BytesIO(plain.body)).size
    assert error(got.body, plain.body) < error(get("format=png&filt=negate&" + options.replace("format=webp&", "")).body,
                                               plain.body)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_the_smallest_where_it_can_not(get, kind):
    got = get(f"format={kind}&max_bytes=1024", "busy.jpg?w=600")
    assert got.status == 200 and got.headers["X-Max-Bytes"] == "exceeded" and "X-Image-Warning" not in got.headers
    assert got.body == get(f"format={kind}&q=1", "busy.jpg?w=600").body


def test_a_warning_beside_it(get):
    got = get("max_bytes=1024", "broken/half.jpg?w=600")
    assert (got.headers["X-Max-Bytes"], got.headers["X-Image-Warning"]) == ("exceeded", "truncated")


def test_quality_is_the_upper_bound(get):
    low = get("format=jpeg&q=20")
    assert get(f"format=jpeg&q=20&max_bytes={len(low.body) + 5000}").body == low.body


def test_out_of_range(get):
    answer = get("max_bytes=1023")
    assert answer.status == 400 and answer.json()["option"] == "max_bytes"


MANY = {"outputs": [{"name": "busy", "w": 600, "max_bytes": 1024}, {"name": "fits", "w": 30, "max_bytes": 100000}]}


def many(pixpool, accept, query=""):
    data, kind = multipart([("operations", json.dumps(MANY)), ("file", (pixpool.root / "busy.jpg").read_bytes(),
                                                               "busy.jpg", "image/jpeg")])
    answer = http("POST", f"{pixpool.url}/api/images/renditions{query}", data, {"Content-Type": kind, "Accept": accept})
    assert answer.status == 200, answer.body
    return answer


@pytest.mark.parametrize("accept", ["multipart/mixed", "multipart/form-data"])
def test_several_results_as_parts(pixpool, get, accept):
    answer = many(pixpool, accept)
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    busy, fits, manifest = BytesParser(policy=policy.HTTP).parsebytes(head + answer.body).iter_parts()
    assert busy["X-Max-Bytes"] == "exceeded" and len(busy.get_payload(decode=True)) > 1024
    assert "X-Max-Bytes" not in fits and "X-Image-Warning" not in busy
    assert [i.get("max_bytes") for i in json.loads(manifest.get_payload(decode=True))["items"]] == ["exceeded", None]


def test_several_results_as_lines(pixpool, get):
    busy, fits, _ = map(json.loads, many(pixpool, "application/x-ndjson").body.splitlines())
    assert busy["max_bytes"] == "exceeded" and "max_bytes" not in fits and "warning" not in busy


def test_several_results_as_an_archive(pixpool, get):
    with zipfile.ZipFile(io.BytesIO(many(pixpool, "application/zip").body)) as z:
        items = json.loads(z.read("manifest.json"))["items"]
    assert [i.get("max_bytes") for i in items] == ["exceeded", None]
