"""Paths below /img/: options in them, a second extension, odd names, and what must not be found."""

import os
import time
from urllib.parse import quote

import pytest

from answers import image, problem
from samples import corners, quadrants


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module()
    root = p.root
    quadrants(120, 80).save(root / "quad.png")
    quadrants(120, 80).save(root / "two.png.webp", lossless=True)
    quadrants(120, 80).save(root / "two.png")
    quadrants(60, 40).save(root / "w=3.png")
    (root / "100%41.jpg").write_bytes((root / "grey.jpg").read_bytes())
    (root / "folder").mkdir()
    (root / "link.jpg").symlink_to("sub/deep/leaf.jpg")
    (root.parent / "outside.jpg").write_bytes((root / "grey.jpg").read_bytes())
    (root / "escape.jpg").symlink_to("../outside.jpg")
    (root / "absolute.jpg").symlink_to(root.parent / "outside.jpg")
    os.mkfifo(root / "fifo.jpg")
    return p


def test_the_path_form(get):
    same = get("/img/photo.jpg?w=300&h=300&fit=cover").body
    assert get("/img/w=300,h=300,fit=cover/photo.jpg").body == same
    assert get("/img/w=300,h=300/photo.jpg?fit=cover").body == same
    assert get("/img/w=300%2Ch=300,fit=cover/photo.jpg").status == 400  # the comma is part of w's value
    assert image(get("/img/rect=0,0,60,40,w=30/quad.png")).size == (30, 20)
    assert image(get("/img/w=50%25/photo.jpg")).size == (600, 400)
    assert corners(image(get("/img/flip=/quad.png"))) == "BWRG"
    assert image(get("/img/w=60/sub/deep/leaf.jpg")).size == (60, 48)


def test_the_path_form_s_refusals(get):
    problem(get("/img/w=300/photo.jpg?w=300"), 400, "option_repeated", "w")
    problem(get("/img/w=300,format=webp/photo.jpg"), 400, "option_clash", "format")
    problem(get("/img/w=300,hight=3/photo.jpg"), 400, "option_unknown", "hight")
    problem(get("/img/w=300,v=a%2Fb/photo.jpg"), 400, "option_malformed")
    problem(get("/img/x=300/photo.jpg"), 404, "no_such_image")  # a folder: x is no option
    problem(get("/img/w=300/nothing.jpg"), 404, "no_such_image")


def test_names_that_look_like_options(get):
    assert image(get("/img/w=3.png")).size == (60, 40)  # no slash behind: a file
    assert image(get("/img/w%3D3.png")).size == (60, 40)


def test_a_second_extension_is_the_format(get):
    assert image(get("/img/w=60/photo.jpg.webp")).format == "WEBP"
    assert image(get("/img/w=60/photo.jpg.PNG")).format == "PNG"
    assert image(get("/img/w=60/sub/deep/leaf.jpg.jpeg")).format == "JPEG"
    assert get("/img/w=60/photo.jpg.webp").body == get("/img/photo.jpg?w=60&format=webp").body
    assert get("/img/w=60/photo.jpg.webp").headers["ETag"] == get("/img/photo.jpg?w=60&format=webp").headers["ETag"]
    assert image(get("/img/w=60,preset=sharp/photo.jpg.webp")).format == "WEBP"
    assert image(get("/img/w=60/two.png.webp")).format == "WEBP"  # a file of that very name
    assert image(get("/img/w=60/two.png.webp?format=png")).format == "PNG"
    problem(get("/img/w=60/photo.jpg.webp?format=png"), 400, "option_repeated", "format")
    problem(get("/img/photo.jpg.webp"), 404, "no_such_image")  # not the path form
    problem(get("/img/w=60/photo.jpg.gif"), 404, "no_such_image")
    assert "nothing.jpg.webp" in problem(get("/img/w=60/nothing.jpg.webp"), 404, "no_such_image")["detail"]


def test_odd_names(get):
    assert image(get("/img/" + quote("ein Bär & 100%.jpg"))).size == (240, 160)
    assert image(get("/img/100%2541.jpg")).size == (400, 300)  # decoded once: 100%41.jpg, not 100A.jpg
    assert image(get("/img/link.jpg")).size == (500, 400)
    assert image(get("/img/sub/deep/leaf.jpg?w=50")).size == (50, 40)


@pytest.mark.parametrize(
    "path",
    ["nothing.jpg", "folder", "folder/", "", "fifo.jpg", "escape.jpg", "absolute.jpg", "sub/.hidden.jpg",
     "sub/%2ehidden.jpg", "photo.jpg/", "photo.jpg/x", "%252e%252e/outside.jpg", "sub%252Fdeep%252Fleaf.jpg"],
)
def test_what_is_not_there(get, path):
    started = time.monotonic()
    problem(get(f"/img/{path}"), 404, "no_such_image")
    assert time.monotonic() - started < 2  # a FIFO does not hold the thread


@pytest.mark.parametrize(
    "path, says",
    [("sub//deep/leaf.jpg", "//"), ("sub/../photo.jpg", "dot segment"), ("sub/%2e%2e/photo.jpg", "dot segment"),
     ("./photo.jpg", "dot segment"), ("sub%2Fdeep%2fleaf.jpg", "%2F")],
)
def test_malformed_paths(get, path, says):
    assert says in problem(get(f"/img/{path}"), 400, "path_malformed")["detail"]
