"""The headers of pictures: what caches are told, ETags and what they save, and HEAD."""

import os
import re
import time

import pytest

from client import http


@pytest.fixture(scope="module")
def server(pixpool):
    return pixpool


def test_headers(server, get):
    answer = get("/img/photo.jpg?w=60", X_Request_Id="test.id-1")
    h = answer.headers
    assert h["Cache-Control"] == "public, max-age=3600"
    assert h["X-Request-Id"] == "test.id-1"
    assert h["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r'"[A-Za-z0-9_-]{22}"', h["ETag"])
    mtime = (server.root / "photo.jpg").stat().st_mtime
    assert h["Last-Modified"] == time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(int(mtime)))
    assert re.match(r"queue;dur=\d", h["Server-Timing"])
    assert get("/img/photo.jpg?w=60&maxage=1d").headers["Cache-Control"] == "public, max-age=86400"


def test_etag_names_the_result(server, get):
    def tag(target, **headers):
        return get(f"/img/{target}", **headers).headers["ETag"]

    base = tag("photo.jpg?w=60&h=50")
    for same in ("photo.jpg?h=50&width=60", "photo.jpg?w=60&h=50&fit=inside", "w=60,h=50/photo.jpg",
                 "photo.jpg?w=60&h=50&utm_source=x", "%70hoto.jpg?w=60&h=50&enlarge=0"):
        assert tag(same) == base, same
    for other in ("photo.jpg?w=60", "photo.jpg?w=60&h=50&v=1", "grey.jpg?w=60&h=50", "photo.jpg?w=60&h=50&q=81"):
        assert tag(other) != base, other
    assert tag("photo.jpg?preset=sharp") == tag("photo.jpg?fit=cover&enlarge=1&format=jpeg")
    assert tag("photo.jpg?format=auto", Accept="image/webp") != tag("photo.jpg?format=auto", Accept="*/*")
    touched = server.root / "touched.jpg"
    touched.write_bytes((server.root / "grey.jpg").read_bytes())
    before = tag("touched.jpg")
    s = touched.stat()
    os.utime(touched, ns=(s.st_atime_ns, s.st_mtime_ns + 1))
    assert tag("touched.jpg") != before


def test_not_modified(server, get):
    tag = get("/img/photo.jpg?w=61").headers["ETag"]
    for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = get("/img/photo.jpg?w=61", If_None_Match=header)
        assert answer.status == 304 and answer.body == b"", header
        assert answer.headers["ETag"] == tag
        assert answer.headers["Cache-Control"] == "public, max-age=3600"
    for header in ('"other"', tag.strip('"'), tag[:-2] + '"'):
        assert get("/img/photo.jpg?w=61", If_None_Match=header).status == 200, header
    assert get("/img/nothing.jpg", If_None_Match="*").status == 404


def test_not_modified_costs_no_decode(server, get):
    tag = get("/img/broken/text.jpg").headers["ETag"]
    assert tag is None  # errors have none
    answer = get("/img/broken/text.jpg?w=62", If_None_Match="*")
    assert answer.status == 304  # the file was not even looked into


def test_head_tells_what_get_would(server, get):
    for target in ("/img/photo.jpg?w=333", "/img/turned.jpg", "/img/alpha.png?w=50&h=50&fit=pad&format=webp"):
        head = http("HEAD", server.url + target)
        full = get(target)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] is None
        for name in ("Content-Type", "X-Image-Width", "X-Image-Height", "X-Source-Width", "X-Source-Height", "ETag",
                     "Last-Modified", "Cache-Control"):
            assert head.headers[name] == full.headers[name] and head.headers[name], (target, name)


def test_head_reports_errors(server):
    assert http("HEAD", f"{server.url}/img/nothing.jpg").status == 404
    assert http("HEAD", f"{server.url}/img/photo.jpg?q=0").status == 400
    assert http("HEAD", f"{server.url}/img/broken/text.jpg").status == 415
