"""POST /api/images/renditions: several outputs of one upload, in each framing; other people's readers judge them."""

import base64
import hashlib
import io
import json
import subprocess
import zipfile
from email import policy
from email.parser import BytesParser
from pathlib import Path
from unittest.mock import ANY

import pytest
from PIL import Image, ImageChops, ImageStat

from answers import problem
from client import file, http, multipart
from conftest import BUILD
from samples import scene

CLIENT = Path(__file__).with_name("formdata_client.mjs")
DEFAULT = {"thumb": (150, 150), "small": (320, 213), "medium": (800, 533), "large": (1200, 800), "original": (1200, 800)}
TWO = {"format": "webp", "outputs": [{"name": "thumb", "w": 90, "h": 90, "fit": "cover"},
                                     {"name": "wide", "w": 600, "format": "jpeg", "q": 90}]}


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(max_body="1M")


@pytest.fixture
def photo(server):
    return (server.root / "photo.jpg").read_bytes()


@pytest.fixture
def post(server):
    def send(*parts, query="", accept=None, body=None, type="image/jpeg"):
        data, kind = multipart(parts) if body is None else (body, type)
        headers = {"Content-Type": kind, **({"Accept": accept} if accept else {})}
        return http("POST", f"{server.url}/api/images/renditions{query}", body=data, headers=headers)

    return send


def parts(answer):
    """The parts of a multipart answer, read by the standard library: [(name, file name, headers, body)]."""
    assert answer.status == 200, answer.body[:400]
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + answer.body)
    return [(p.get_param("name", header="content-disposition"), p.get_filename(), p, p.get_payload(decode=True))
            for p in message.iter_parts()]


def image(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    return im


def operations(value):
    return ("operations", json.dumps(value))


# What is made.


def test_the_default_set(post, photo):
    answer = post(body=photo)
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=")
    assert answer.headers["X-Accel-Buffering"] is None, "nginx takes it for itself"
    assert answer.headers["Cache-Control"] == "no-store"
    got = parts(answer)
    assert [p[0] for p in got] == [*DEFAULT, "manifest.json"]
    for name, filename, head, data in got[:-1]:
        im = image(data)
        assert (im.size, im.format, head.get_content_type()) == (DEFAULT[name], "JPEG", "image/jpeg")
        assert (head["X-Image-Width"], head["X-Image-Height"]) == tuple(map(str, DEFAULT[name]))
        assert (head["X-Source-Width"], head["X-Source-Height"]) == ("1200", "800")
        assert filename == f"image-{name}.jpg"
    sum_up = json.loads(got[-1][3])
    assert (sum_up["total"], sum_up["done"], sum_up["failed"]) == (5, 5, 0)
    for item, (_, filename, _, data) in zip(sum_up["items"], got):
        assert item["sha256"] == hashlib.sha256(data).hexdigest()
        assert (item["bytes"], item["file"], item["status"]) == (len(data), filename, 200)


def test_outputs_of_ones_own(post, photo):
    got = {p[0]: p for p in parts(post(operations(TWO), file(photo), ("q", 95)))}
    thumb, wide = image(got["thumb"][3]), image(got["wide"][3])
    assert (thumb.size, thumb.format) == ((90, 90), "WEBP")
    assert (wide.size, wide.format) == ((600, 400), "JPEG")
    assert got["thumb"][1] == "a-thumb.webp"
    wanted = scene((1200, 800)).resize((600, 400), Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(wide.convert("RGB"), wanted)).rms) < 4


def test_the_options_of_an_output_go_before_those_of_the_base(server, post, photo):
    got = {p[0]: p[3] for p in parts(post(operations(TWO), file(photo), query="?q=20"))}
    alone = lambda q: http("POST", f"{server.url}/api/images/process{q}", body=photo, headers={"Content-Type": "image/jpeg"})
    assert got["wide"] == alone("?w=600&format=jpeg&q=90").body
    thumb, wanted = image(got["thumb"]), image(alone("?w=90&h=90&fit=cover&format=webp&q=20").body)
    assert thumb.format == wanted.format and len(got["thumb"]) < 600, "the base's format and quality"
    difference = ImageChops.difference(thumb.convert("RGB"), wanted.convert("RGB"))
    assert max(ImageStat.Stat(difference).rms) < 8, "made from the larger decode that wide needs"


def test_base_options_without_outputs_apply_to_the_set(post, photo):
    got = parts(post(file(photo), query="?format=png"))
    assert {image(p[3]).format for p in got[:-1]} == {"PNG"}


def test_the_configured_set(start_pixpool, sample_images):
    p = start_pixpool(**{"rendition.tiny": "w=16", "rendition.wide": "w=600&format=webp"})
    photo = (sample_images / "photo.jpg").read_bytes()
    answer = http("POST", f"{p.url}/api/images/renditions", body=photo, headers={"Content-Type": "image/jpeg"})
    assert [(n, image(d).size) for n, _, _, d in parts(answer)[:-1]] == [("tiny", (16, 11)), ("wide", (600, 400))]


def test_one_output_that_fails_spoils_only_itself(post, photo):
    outputs = {"outputs": [{"name": "good", "w": 40}, {"name": "bad", "rect": "5000,5000,10,10"}]}
    good, bad, sum_up = parts(post(operations(outputs), file(photo)))
    assert image(good[3]).size == (40, 27)
    assert bad[2].get_content_type() == "application/problem+json" and json.loads(bad[3])["status"] == 400
    told = json.loads(sum_up[3])
    assert (told["done"], told["failed"], told["items"][1]["output"]) == (1, 1, "bad")


# Framings.


def test_zip(post, photo):
    answer = post(file(photo, filename="../ein Bär \x01.JPG"), operations(TWO), accept="application/zip")
    assert answer.headers["Content-Type"] == "application/zip"
    z = zipfile.ZipFile(io.BytesIO(answer.body))
    assert z.testzip() is None
    assert z.namelist() == ["ein Bär _-thumb.webp", "ein Bär _-wide.jpg", "manifest.json"]
    assert {i.compress_type for i in z.infolist()} == {zipfile.ZIP_STORED}
    assert image(z.read("ein Bär _-wide.jpg")).size == (600, 400)
    assert json.loads(z.read("manifest.json"))["done"] == 2


def test_ndjson(post, photo):
    answer = post(file(photo), accept="application/x-ndjson")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in answer.body.splitlines()]
    assert last == {"manifest": {"total": 5, "done": 5, "failed": 0}}
    for line in lines:
        data = base64.b64decode(line["data"], validate=True)
        assert image(data).size == DEFAULT[line["output"]] == (line["width"], line["height"])
        assert (line["bytes"], line["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert (line["index"], line["name"], line["format"], line["status"]) == (0, "a.jpg", "jpeg", 200)


def test_form_data_is_read_by_node(server, photo, tmp_path):
    (tmp_path / "ein Bär.jpg").write_bytes(photo)
    out = subprocess.run(["node", CLIENT, f"{server.url}/api/images/renditions", tmp_path / "ein Bär.jpg"],
                         capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    fields = json.loads(out.stdout)
    assert [f["name"] for f in fields] == [*DEFAULT, "manifest.json"]
    for f in fields[:-1]:
        assert (f["file"], f["type"]) == (f"ein Bär-{f['name']}.jpg", "image/jpeg")
        assert image(base64.b64decode(f["data"])).size == DEFAULT[f["name"]]
    assert json.loads(fields[-1]["text"])["done"] == 5


# Refusals.


@pytest.mark.parametrize("value, code, said", [
    ({"outputs": []}, "outputs_malformed", "list"),
    ({"outputs": {"name": "a"}}, "outputs_malformed", "list"),
    ({"outputs": "thumb"}, "outputs_malformed", "list"),
    ({"outputs": [5]}, "outputs_malformed", "object"),
    ({"outputs": [{"w": 5}]}, "output_name", "name"),
    ({"outputs": [{"name": "../x"}]}, "output_name", "letters"),
    ({"outputs": [{"name": ""}]}, "output_name", "letters"),
    ({"outputs": [{"name": 5}]}, "output_name", "letters"),
    ({"outputs": [{"name": "a"}, {"name": "a"}]}, "output_repeated", "two outputs"),
    ({"outputs": [{"name": str(i)} for i in range(33)]}, "outputs_many", "32"),
    ({"outputs": [{"name": "a", "widht": 5}]}, "option_unknown", "in output a: widht"),
    ({"outputs": [{"name": "a", "q": 500}]}, "option_range", "1 to 100"),
    ({"outputs": [{"name": "a", "w": 5, "width": 6}]}, "option_repeated", "twice"),
    ([1], "option_malformed", "JSON object"),
    ("x", "option_malformed", "JSON"),
])
def test_operations_of_the_wrong_shape(post, photo, value, code, said):
    assert said in problem(post(operations(value), file(photo)), 400, code, ANY)["detail"]


def test_other_refusals(server, post, photo):
    problem(post(body=b""), 400, "body_empty")
    problem(post(body=b"This is no image. " * 9), 415, "format")
    problem(post(body=photo[:100]), 422, "corrupt")
    problem(post(("w", 5)), 400, "file_missing")
    problem(post(file(photo), file(photo)), 400, "file_repeated")
    problem(post(body=b"x" * 2_000_000), 413, "body_too_large")
    problem(post(body=photo, query="?widht=5"), 400, "option_unknown", "widht")
    assert http("GET", f"{server.url}/api/images/renditions").headers["Allow"] == "POST"
    outputs = multipart([file(photo), operations(TWO)])
    headers = {"Content-Type": outputs[1]}
    answer = http("POST", f"{server.url}/api/images/process", body=outputs[0], headers=headers)
    assert "renditions" in problem(answer, 400, "outputs_unexpected", "outputs")["detail"]


@pytest.mark.parametrize("words", ["serve", "check"])
def test_a_set_that_cannot_be_made_is_told_at_the_start(words, tmp_path):
    run = subprocess.run([BUILD / "pixpool", words, f"--listen=unix:{tmp_path}/s", "--rendition.a=widht=5"],
                         capture_output=True, text=True, timeout=30)
    assert run.returncode == 1 and "in output a: widht is not a known option" in run.stdout + run.stderr
