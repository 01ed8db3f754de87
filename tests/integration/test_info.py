"""/api/images/info and `pixpool info`: what an image is, judged by Pillow."""

import base64
import io
import json
import subprocess

import pytest
from PIL import Image, ImageStat

from client import http, multipart
from conftest import BUILD
from samples import PHOTO

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module(max_pixels_in="2M")
    flag = Image.new("RGB", (90, 60), (200, 16, 46))
    flag.paste((255, 255, 255), (0, 0, 30, 60))
    flag.save(p.root / "flag.png")
    Image.new("RGBA", (50, 50), (10, 200, 30, 0)).save(p.root / "nothing.png")
    Image.new("L", (3000, 1000)).save(p.root / "large.png")
    Image.new("RGB", (1, 700), (1, 2, 3)).save(p.root / "line.png")
    return p


@pytest.fixture
def info(server):
    def get(src):
        answer = http("GET", f"{server.url}/api/images/info?src={src}")
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()
    return get


def rgb(text):
    assert text[0] == "#" and len(text) == 7
    return tuple(int(text[i:i + 2], 16) for i in (1, 3, 5))


def blur_mean(blurhash):
    """The mean colour, the second part of a BlurHash."""
    value = 0
    for digit in blurhash[2:6]:
        value = value * 83 + DIGITS.index(digit)
    return value >> 16, value >> 8 & 255, value & 255


def thumb_mean(thumbhash):
    """The mean colour of a ThumbHash, as its decoder computes it."""
    head = int.from_bytes(base64.b64decode(thumbhash)[:3], "little")
    light, p, q = (head & 63) / 63, (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1
    b = light - 2 / 3 * p
    r = (3 * light - b + q) / 2
    return tuple(round(255 * v) for v in (r, r - q, b))


def near(a, b, limit):
    return all(abs(x - y) <= limit for x, y in zip(a, b))


@pytest.mark.parametrize("name", ["photo.jpg", "progressive.jpg", "grey.jpg", "plain.png", "alpha.png", "palette.png",
                                  "still.webp", "alpha.webp", "turned.jpg"])
def test_header(server, info, name):
    path = server.root / name
    got, im = info(name), Image.open(path)
    turned = im.getexif().get(0x0112, 1)
    assert got["format"] == im.format.lower()
    assert (got["stored_width"], got["stored_height"]) == im.size
    assert (got["width"], got["height"]) == (im.size[::-1] if turned == 6 else im.size)
    assert got["orientation"] == turned
    assert got["bytes"] == path.stat().st_size
    assert got["alpha"] == (im.mode == "RGBA")
    assert got["pages"] == 1
    assert got["progressive"] == (name == "progressive.jpg")
    assert got["palette_based"] == (name == "palette.png")


def test_colours(info):
    got = info("flag.png")
    assert got["dominant"] == "#c8102e"
    shares = {p["colour"]: p["share"] for p in got["palette"]}
    assert abs(shares["#c8102e"] - 2 / 3) < 0.03 and abs(shares["#ffffff"] - 1 / 3) < 0.03
    many = info("photo.jpg")["palette"]
    assert len(many) == 6
    assert [p["share"] for p in many] == sorted((p["share"] for p in many), reverse=True)
    assert abs(sum(p["share"] for p in many) - 1) < 0.01


def test_placeholders_have_the_pictures_mean(server, info):
    got = info("photo.jpg")
    with Image.open(server.root / "photo.jpg") as im:
        linear = im.point([round(255 * ((v / 255 + 0.055) / 1.055) ** 2.4) for v in range(256)] * 3)
        mean = [255 * (1.055 * (v / 255) ** (1 / 2.4) - 0.055) for v in ImageStat.Stat(linear).mean]
        assert near(blur_mean(got["blurhash"]), mean, 4)
        assert near(thumb_mean(got["thumbhash"]), ImageStat.Stat(im).mean, 6)
    assert len(got["blurhash"]) == 28 and got["blurhash"][0] == "L"  # 4 x 3
    assert info("turned.jpg")["blurhash"][0] == "T"  # 3 x 4: it is upright once turned


def test_nothing_is_visible(info):
    got = info("nothing.png")
    assert got["dominant"] is None and got["palette"] == []
    assert blur_mean(got["blurhash"]) == (255, 255, 255)


def test_a_line(info):
    assert info("line.png")["dominant"] == "#010203"


def test_etag_and_cache(server):
    url = f"{server.url}/api/images/info?src=plain.png"
    first = http("GET", url)
    assert "max-age=" in first.headers["Cache-Control"]
    again = http("GET", url, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304 and not again.body
    assert http("GET", f"{url}&gps=1").headers["ETag"] != first.headers["ETag"]
    assert http("GET", f"{url}&utm_source=x&v=3").body == first.body


def test_post(server, info):
    photo = (server.root / "photo.jpg").read_bytes()
    url = f"{server.url}/api/images/info"
    raw = http("POST", url, photo, {"Content-Type": "image/jpeg"})
    assert raw.status == 200 and raw.headers["Cache-Control"] == "no-store"
    assert raw.json() == info("photo.jpg")
    body, kind = multipart([("file", photo, "a.jpg", "image/jpeg")])
    assert http("POST", url, body, {"Content-Type": kind}).json() == raw.json()


def problem(answer, status, code):
    assert answer.status == status, answer.body
    assert answer.json()["code"] == code
    return answer.json()


def test_mistakes(server):
    url = f"{server.url}/api/images/info"
    assert problem(http("GET", url), 400, "option_missing")["option"] == "src"
    problem(http("GET", f"{url}?src=a.jpg&src=b.jpg"), 400, "option_repeated")
    problem(http("GET", f"{url}?src=a.jpg&w=3"), 400, "option_unknown")
    problem(http("GET", f"{url}?src=photo.jpg&gps=maybe"), 400, "option_malformed")
    problem(http("GET", f"{url}?src=none.jpg"), 404, "no_such_image")
    problem(http("GET", f"{url}?src=../outside.jpg"), 404, "no_such_image")
    problem(http("GET", f"{url}?src=broken/text.jpg"), 415, "format")
    problem(http("GET", f"{url}?src=broken/empty.png"), 422, "corrupt")
    problem(http("GET", f"{url}?src=large.png"), 422, "limit")
    problem(http("POST", url, b"", {"Content-Type": "image/png"}), 400, "body_empty")
    body, kind = multipart([("other", b"1")])
    problem(http("POST", url, body, {"Content-Type": kind}), 400, "option_unknown")
    assert http("DELETE", url).status == 405


def test_truncated(info):
    assert info("broken/half.jpg")["truncated"] is True


def test_command_line(server, info):
    run = lambda *words: subprocess.run([BUILD / "pixpool", "info", *words], capture_output=True, timeout=60)
    done = run(server.root / "turned.jpg")
    assert done.returncode == 0 and json.loads(done.stdout) == info("turned.jpg")
    assert run().returncode == 2
    assert run(server.root / "broken/text.jpg").returncode == 1
    assert run(server.root / "none.jpg").returncode == 1
