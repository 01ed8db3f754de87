"""/api/images/info and `pixpool info`: what an image is, judged by Pillow."""

import base64
import json
import subprocess

import pytest
from PIL import Image, ImageStat, PngImagePlugin

import exif_blocks
import profiles
from answers import problem
from client import http, multipart
from conftest import BUILD
from samples import encoded, scene

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


EXIFTOOL = {"Make": "Kamerawerke Jena", "Model": "Fünfzig / 2", "LensModel": "50mm f/1.8", "ISO": 400,
            "DateTimeOriginal": "2024:05:06 07:08:09", "ExposureTime": 0.004, "FNumber": 2.8, "FocalLength": 50,
            "Artist": "Ann \"A.\" Example", "Copyright": "© 2024 Ann Example",
            "GPSLatitude": 33.856784, "GPSLatitudeRef": "S", "GPSLongitude": 151.215297, "GPSLongitudeRef": "E"}
NAMES = {"make": "Make", "model": "Model", "lens": "LensModel", "iso": "ISO", "exposure": "ExposureTime",
         "f_number": "FNumber", "focal_length": "FocalLength", "artist": "Artist", "copyright": "Copyright"}


def exiftool(path, tags):
    """A copy of path whose EXIF exiftool has written; into WebP, which it can't write, Pillow puts it."""
    to = path.with_name(f"shot{path.suffix}")
    if path.suffix == ".webp":
        with Image.open(path.with_name(exiftool(path.with_name("photo.jpg"), tags))) as shot, Image.open(path) as im:
            im.save(to, exif=shot.info["exif"])
        path.with_name("shot.jpg").unlink()
        return to.name
    words = [f"-EXIF:{tag}={value}" if "GPS" not in tag else f"-GPS:{tag}={value}" for tag, value in tags.items()]
    subprocess.run(["exiftool", "-q", "-n", "-charset", "exif=utf8", *words, "-o", to, path], check=True, timeout=60)
    return to.name


@pytest.mark.parametrize("source", ["photo.jpg", "plain.png", "still.webp"])
def test_exif_of_exiftool(server, info, source):
    name = exiftool(server.root / source, EXIFTOOL)
    got = info(name)
    assert got["exif"] == {"taken": "2024-05-06T07:08:09", **{ours: EXIFTOOL[its] for ours, its in NAMES.items()}}
    assert "gps" not in got and "33.8567" not in json.dumps(got)
    place = info(f"{name}&gps=1")["gps"]
    assert abs(place["latitude"] + 33.856784) < 1e-6 and abs(place["longitude"] - 151.215297) < 1e-6
    assert "gps" not in info(f"{name}&gps=0")
    done = subprocess.run([BUILD / "pixpool", "info", "--gps", server.root / name], capture_output=True, timeout=60)
    assert json.loads(done.stdout) == info(f"{name}&gps=1")
    (server.root / name).unlink()


def test_nothing_told(info):
    got = info("photo.jpg&gps=1")
    assert got["icc"] is None and got["exif"] is None and got["gps"] is None


@pytest.fixture
def told(server):
    """What is told of a small JPEG with this EXIF block."""
    def get(block):
        data = exif_blocks.into_jpeg(encoded(Image.new("RGB", (16, 16)), "JPEG"), block)
        answer = http("POST", f"{server.url}/api/images/info?gps=1", data)
        assert answer.status == 200, answer.body
        return answer.json()
    return get


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_in_either_byte_order(told, order):
    got = told(exif_blocks.exif(order))
    assert got["exif"] == {"make": "Maker of cameras", "taken": "2024-05-06T07:08:09", "exposure": 0.004,
                           "artist": "Ann Example", "copyright": "(c) 2024 Ann Example"}
    assert got["gps"] is None  # half a place is none


def block(first=(), camera=(), place=()):
    t = exif_blocks.Tiff("<")
    pointers = [(0x8769, exif_blocks.LONG, t.add(list(camera))), (0x8825, exif_blocks.LONG, t.add(list(place)))]
    return t.first(t.add([*first, *pointers]))


def where(latitude, longitude, signs=(b"N", b"W")):
    text, three = exif_blocks.ASCII, exif_blocks.RATIONAL
    return [(1, text, signs[0]), (2, three, latitude), (3, text, signs[1]), (4, three, longitude)]


def test_places(told):
    gps = lambda *a: told(block(place=where(*a)))["gps"]
    assert gps([10, 1, 30, 1, 36, 1], [20, 1, 15, 1, 0, 0]) == {"latitude": 10.51, "longitude": -20.25}
    assert gps([0, 1], [0, 1]) == {"latitude": 0, "longitude": 0}
    assert gps([91, 1], [0, 1]) is None
    assert gps([90, 1, 1, 1], [0, 1]) is None
    assert gps([1, 0], [0, 1]) is None
    assert gps([1, 1], [180, 1], (b"N", b"?")) is None


def test_hostile_exif(told):
    """Texts of any length and bytes, dates that are none, fractions of nothing, directories that contain themselves."""
    text, three = exif_blocks.ASCII, exif_blocks.RATIONAL
    got = told(block([(0x010F, text, b"M" * 40000), (0x0110, text, b" \x01caf\xe9\n\"<b>"),
                      (0x8298, text, "é".encode() * 9000)],
                     [(0x829A, three, [1, 0]), (0x829D, three, [0, 5]), (0x9003, text, b"2024:05:06 07:08:0x")]))
    assert got["exif"] == {"make": "M" * 63, "model": "café \"<b>", "copyright": "é" * 127}
    t = exif_blocks.Tiff(">")
    at = len(t.data)
    assert t.add([(0x8769, exif_blocks.LONG, at), (0x8825, exif_blocks.LONG, at)]) == at
    assert told(t.first(at))["exif"] is None
    whole = exif_blocks.exif()
    for cut in range(0, len(whole), 7):
        told(whole[:cut])


def in_languages(*texts):
    """A description of ICC version 4."""
    data, rows, at = b"", b"", 16 + 12 * len(texts)
    for language, text in texts:
        text = text.encode("utf-16-be")
        rows += language + len(text).to_bytes(4, "big") + (at + len(data)).to_bytes(4, "big")
        data += text
    return b"mluc\0\0\0\0" + len(texts).to_bytes(4, "big") + (12).to_bytes(4, "big") + rows + data


def named(description):
    return profiles.profile(b"RGB ", {b"desc": description})


@pytest.mark.parametrize("description, name", [
    (profiles.tag_text("Display P3"), "Display P3"),
    (in_languages((b"deDE", "Anzeige"), (b"enUS", "Screen 𝄞 é")), "Screen 𝄞 é"),
    (in_languages((b"jaJP", "画面")), "画面"),
    (profiles.tag_text("x" * 5000), "x" * 127),
    (in_languages((b"enUS", "画" * 400)), "画" * 42),
    (b"desc\0\0\0\0\xff\xff\xff\xffname", None),
    (in_languages((b"enUS", "name"))[:30], None),
    (b"text\0\0\0\0no description", None)])
def test_profile_name(server, info, description, name):
    for suffix in ("png", "jpg", "webp"):
        Image.new("RGB", (20, 20)).save(server.root / f"named.{suffix}", icc_profile=named(description))
        assert info(f"named.{suffix}")["icc"] == name


def test_a_profile_of_our_own_is_not_named(server, info):
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", (100000).to_bytes(4, "big"))
    Image.new("RGB", (20, 20)).save(server.root / "gamma.png", pnginfo=chunks)
    assert info("gamma.png")["icc"] is None


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


def test_mistakes(server):
    url = f"{server.url}/api/images/info"
    problem(http("GET", url), 400, "option_missing", "src")
    problem(http("GET", f"{url}?src=a.jpg&src=b.jpg"), 400, "option_repeated", "src")
    problem(http("GET", f"{url}?src=a.jpg&w=3"), 400, "option_unknown", "w")
    problem(http("GET", f"{url}?src=photo.jpg&gps=maybe"), 400, "option_malformed", "gps")
    problem(http("GET", f"{url}?src=none.jpg"), 404, "no_such_image")
    problem(http("GET", f"{url}?src=../outside.jpg"), 404, "no_such_image")
    problem(http("GET", f"{url}?src=broken/text.jpg"), 415, "format")
    problem(http("GET", f"{url}?src=broken/empty.png"), 422, "corrupt")
    problem(http("GET", f"{url}?src=large.png"), 422, "limit")
    problem(http("POST", url, b"", {"Content-Type": "image/png"}), 400, "body_empty")
    body, kind = multipart([("other", b"1")])
    problem(http("POST", url, body, {"Content-Type": kind}), 400, "option_unknown", "other")
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


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 20}, {"restart_marker_rows": 1}])
def test_large_jpegs(server, info, options):
    """Of which an eighth is looked at."""
    im = scene((1500, 1130))
    im.save(server.root / "large.jpg", **{"quality": 90, **options})
    got, small = info("large.jpg"), im.resize((100, 75), Image.Resampling.BOX)
    light = [sum((v / 255) ** 2.2 for v in channel.getdata()) / 7500 for channel in small.split()]  # BlurHash's means
    assert near(blur_mean(got["blurhash"]), [255 * v ** (1 / 2.2) for v in light], 4)
    assert near(thumb_mean(got["thumbhash"]), ImageStat.Stat(small).mean, 10)
    assert "truncated" not in got
    near_ones = [sum(near(px, rgb(s["colour"]), 45) for px in small.getdata()) / 7500 for s in got["palette"]]
    assert all(share > s["share"] / 3 for share, s in zip(near_ones, got["palette"]))
    whole = (server.root / "large.jpg").read_bytes()
    (server.root / "large-cut.jpg").write_bytes(whole[:len(whole) * 2 // 3])
    assert info("large-cut.jpg")["truncated"]
