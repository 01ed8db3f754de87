"""POST /api/images/process: raw bodies, forms and JSON, from Python and from Node; Pillow judges what comes back."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

import answers
from client import file, http, multipart
from samples import encoded, scene

CLIENT = Path(__file__).with_name("express_client.mjs")


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(max_body="1M")


@pytest.fixture
def photo(server):
    return (server.root / "photo.jpg").read_bytes()


@pytest.fixture
def post(server):
    def send(query="", body=b"", type=None):
        headers = {"Content-Type": type} if type else {}
        return http("POST", f"{server.url}/api/images/process{query}", body=body, headers=headers)

    return send


@pytest.fixture
def form(post):
    """Sends parts as client.multipart() takes them."""
    return lambda *parts, query="": post(query, *multipart(parts))


def image(answer):
    assert answer.headers["Cache-Control"] == "no-store"
    return answers.image(answer)


def problem(*args):
    return answers.problem(*args)["detail"]


# Raw bodies.


@pytest.mark.parametrize("type", ["image/jpeg", "image/x-whatever", "application/octet-stream", "Image/PNG; x=y", None])
def test_a_raw_body(post, photo, type):
    answer = post("?w=300", photo, type)
    im = image(answer)
    assert (im.size, im.format) == ((300, 200), "JPEG")
    assert (answer.headers["X-Source-Width"], answer.headers["X-Source-Height"]) == ("1200", "800")
    assert answer.headers["ETag"] is None


def test_the_picture_is_the_right_one(post, photo):
    got = image(post("?w=300&q=95", photo, "image/jpeg")).convert("RGB")
    wanted = scene((1200, 800)).resize((300, 200), Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(got, wanted)).rms) < 4


def test_formats(post, photo):
    assert image(post("?w=60&format=webp", photo)).format == "WEBP"
    assert image(post("?w=60&format=auto", photo)).format == "JPEG"


def test_it_equals_what_get_gives(server, post, photo):
    assert post("?w=300&fit=cover&h=300", photo).body == http("GET", f"{server.url}/img/photo.jpg?w=300&fit=cover&h=300").body


def test_a_chunked_body(server, photo):
    pieces = (photo[i : i + 5000] for i in range(0, len(photo), 5000))
    answer = http("POST", f"{server.url}/api/images/process?w=30", body=pieces, headers={"Content-Type": "image/jpeg"})
    assert image(answer).size == (30, 20)


# Forms.


@pytest.mark.parametrize("name", ["file", "image", "media"])
def test_the_classic_form(form, photo, name):
    im = image(form(file(photo, name=name), ("width", 800), ("height", 600), ("quality", 80)))
    assert (im.size, im.format) == ((800, 533), "JPEG")


def test_the_order_of_parts_does_not_matter(form, photo):
    first = form(("width", 80), file(photo))
    assert image(first).size == (80, 53)
    assert first.body == form(file(photo), ("width", 80)).body


def test_operations(form, photo):
    operations = json.dumps({"width": 800, "height": 600, "fit": "cover", "quality": 80, "format": "webp"})
    im = image(form(file(photo), ("operations", operations)))
    assert (im.size, im.format) == ((800, 600), "WEBP")
    im = image(form(("operations", b'{"w":80}', "operations.json", "application/json"), file(photo)))
    assert im.size == (80, 53)


def test_options_may_come_through_several_doors(form, photo):
    im = image(form(file(photo), ("h", 300), ("operations", '{"fit":"cover"}'), query="?w=300"))
    assert im.size == (300, 300)


def test_empty_fields_keep_the_default(form, photo):
    assert image(form(file(photo), ("width", 60), ("height", ""), ("quality", ""))).size == (60, 40)


def test_the_preset_sharp(form, photo):
    """fit=cover, enlarging, JPEG: what sharp(x).resize(w, h).jpeg() gives."""
    im = image(form(file(photo), ("width", 300), ("height", 300), ("preset", "sharp")))
    assert (im.size, im.format) == ((300, 300), "JPEG")
    wanted = scene((1200, 800)).crop((200, 0, 1000, 800)).resize((300, 300), Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(im.convert("RGB"), wanted)).rms) < 8
    im = image(form(file(encoded(scene((50, 40)))), ("width", 200), ("height", 200), query="?preset=sharp"))
    assert (im.size, im.format) == ((200, 200), "JPEG")


# Refusals.


def test_bad_options(post, form, photo):
    assert "width" in problem(post("?widht=3", photo), 400, "option_unknown", "widht")
    assert "width" in problem(form(file(photo), ("widht", 3)), 400, "option_unknown", "widht")
    assert "width" in problem(form(file(photo), ("operations", '{"widht":3}')), 400, "option_unknown", "widht")
    assert "1 to 100" in problem(form(file(photo), ("quality", 0)), 400, "option_range", "quality")
    problem(form(file(photo), ("operations", "{nonsense")), 400, "option_malformed", "operations")
    problem(form(file(photo), ("operations", "[1]")), 400, "option_malformed", "operations")
    problem(form(file(photo), ("operations", "[" * 60000)), 400, "option_malformed", "operations")


def test_an_option_given_twice_across_doors(form, photo):
    problem(form(file(photo), ("width", 3), query="?w=3"), 400, "option_repeated", "width")
    problem(form(file(photo), ("width", 3), ("w", 3)), 400, "option_repeated", "w")
    problem(form(file(photo), ("operations", '{"w":3}'), query="?w=3"), 400, "option_repeated", "w")
    problem(form(file(photo), ("w", 3), ("operations", '{"w":3}')), 400, "option_repeated", "w")
    problem(form(file(photo), ("operations", "{}"), ("operations", "{}")), 400, "option_repeated", "operations")


def test_the_file(form, photo):
    assert '"file"' in problem(form(("width", 3)), 400, "file_missing")
    assert "file" in problem(form(file(photo, name="photo")), 400, "option_unknown", "photo")
    problem(form(file(photo), file(photo, name="image")), 400, "file_repeated")
    problem(form(file(b"")), 400, "file_empty")
    problem(form(file(b"not an image at all, just some text")), 415, "format")
    problem(form(file(photo[:200])), 422, "corrupt")


def test_broken_forms(post, photo):
    body, type = multipart([file(photo)])
    problem(post("", body[:-30], type), 400, "multipart_malformed")
    problem(post("", body, "multipart/form-data"), 400, "multipart_malformed")
    problem(post("", body, "multipart/form-data; boundary=other"), 400, "multipart_malformed")
    problem(post("", b"x", type), 400, "multipart_malformed")
    problem(post("", *multipart([("v", "")] * 65)), 400, "option_repeated", "v")
    problem(post("", *multipart([("utm_x", "")] * 65)), 400, "multipart_malformed")


@pytest.mark.parametrize("type", ["application/x-www-form-urlencoded", "text/plain", "application/json", "nonsense",
                                  "multipart/mixed; boundary=x"])
def test_other_content_types(post, photo, type):
    detail = problem(post("", photo, type), 415, "content_type")
    assert "multipart/form-data" in detail and "application/octet-stream" in detail


def test_bodies(post):
    problem(post("", b"", "image/jpeg"), 400, "body_empty")
    assert post("", bytes((1 << 20) + 1), "image/jpeg").status == 413


def test_a_body_that_no_memory_could_hold_is_too_large_not_busy(start_pixpool):
    p = start_pixpool(workers=1, worker_memory="32M", max_body="1M", max_result="1M", memory_limit="36M")
    answer = http("POST", f"{p.url}/api/images/process", body=bytes(8 << 20), headers={"Content-Type": "image/jpeg"})
    assert answer.status == 413


def test_methods(server):
    for method in ("GET", "PUT", "HEAD"):
        answer = http(method, f"{server.url}/api/images/process")
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"


# From Node.


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_classic_request_from_node(server, tmp_path):
    run = subprocess.run(["node", CLIENT, server.url, server.root / "photo.jpg", tmp_path], capture_output=True, text=True,
                         timeout=60)
    assert run.returncode == 0, run.stderr
    told = {t["name"]: t for t in map(json.loads, run.stdout.splitlines())}
    for name, size in (("fields", (800, 533)), ("operations", (800, 533)), ("sharp", (300, 300))):
        assert (told[name]["status"], told[name]["type"]) == (200, "image/jpeg"), told[name]
        im = Image.open(tmp_path / name)
        im.load()
        assert (im.size, im.format) == (size, "JPEG")
    assert (tmp_path / "fields").read_bytes() == (tmp_path / "operations").read_bytes()
    assert told["missing"]["status"] == 400 and "file" in told["missing"]["error"]
    assert told["misspelt"]["status"] == 400 and "width" in told["misspelt"]["error"]
