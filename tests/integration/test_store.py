"""renditions?store=1: files that stay, and the one answer that tells all about them."""

import hashlib
import io
import json
import os

import pytest
from PIL import Image

from client import http, multipart


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture
def server(start_pixpool, store):
    return start_pixpool(store_dir=store, store_url="https://img.example/s/")


def post(p, body, query="?store=1", type="image/jpeg", headers={}):
    return http("POST", f"{p.url}/api/images/renditions{query}", body=body, headers={"Content-Type": type, **headers})


def test_results_become_files(server, store):
    photo = (server.root / "photo.jpg").read_bytes()
    outputs = {"outputs": [{"name": "thumb", "w": 90, "h": 90, "fit": "cover"}, {"name": "wide", "w": 600, "format": "webp"}]}
    body, type = multipart([("file", photo, "ein Bär.jpg", "image/jpeg"), ("operations", json.dumps(outputs))])
    answer = post(server, body, "?q=90&store=1", type)
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json"), answer.body[:400]
    told = answer.json()
    source = told["source"]
    assert (source["width"], source["height"], source["format"], source["bytes"]) == (1200, 800, "jpeg", len(photo))
    assert (source["name"], source["sha256"]) == ("ein Bär.jpg", hashlib.sha256(photo).hexdigest())
    assert source["blurhash"] and source["thumbhash"], "what a page shows while it waits"
    assert all(len(str(p["share"])) <= 5 for p in source["palette"]), "no noise of binary fractions"
    assert [r["name"] for r in told["renditions"]] == ["thumb", "wide"]
    for r, format, size in zip(told["renditions"], ("JPEG", "WEBP"), ((90, 90), (600, 400))):
        assert r["url"].startswith("https://img.example/s/")
        path = store / r["url"][len("https://img.example/s/"):]
        data = path.read_bytes()
        im = Image.open(io.BytesIO(data))
        im.load()
        assert (im.format, im.size) == (format, size) == (format, (r["width"], r["height"]))
        assert (r["bytes"], r["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert path.stat().st_mode & 0o777 == 0o644
    assert len([f for f in store.rglob("*") if f.is_file()]) == 2, "nothing else lies about"


def test_the_same_again_has_the_same_urls(server):
    photo = (server.root / "photo.jpg").read_bytes()
    urls = lambda q: [r["url"] for r in post(server, photo, q).json()["renditions"]]
    first = urls("?store=1")
    assert urls("?store=1") == first and len(first) == 5
    assert not set(urls("?store=1&q=50")) & set(first)


def test_a_rendition_that_fails_is_told(server, store):
    photo = (server.root / "photo.jpg").read_bytes()
    outputs = {"outputs": [{"name": "good", "w": 40}, {"name": "bad", "rect": "5000,5000,10,10"}]}
    body, type = multipart([("file", photo, "a.jpg", "image/jpeg"), ("operations", json.dumps(outputs))])
    good, bad = post(server, body, type=type).json()["renditions"]
    assert good["status"] == 200 and bad["status"] == 400 and "url" not in bad


def test_refusals(start_pixpool, server, store):
    assert post(server, b"no image " * 9).status == 415
    assert post(server, (server.root / "photo.jpg").read_bytes()[:100]).status == 422
    assert post(server, b"x", "?store=1&widht=5").status == 400
    without = start_pixpool()
    photo = (without.root / "photo.jpg").read_bytes()
    answer = post(without, photo)
    assert (answer.status, answer.json()["code"]) == (400, "store_off")
    assert post(without, photo, "?store=0").status == 200
    os.rename(store, store.with_name("away"))
    assert post(server, photo).status == 507
    guarded = start_pixpool(store_dir=store.with_name("away"), api_token="secret")
    assert post(guarded, photo).status == 401
    assert post(guarded, photo, headers={"Authorization": "Bearer secret"}).status == 201
