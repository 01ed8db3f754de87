"""What the API tells of itself, and how it refuses."""

import pytest

from answers import problem
from client import http


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module(max_body="2M")
    (p.root / "big.png").write_bytes((p.root / "plain.png").read_bytes() + bytes(2 << 20))
    return p


def test_the_option_table(get):
    answer = get("/api/options")
    assert answer.headers["Content-Type"] == "application/json"
    table = {row["name"]: row for row in answer.json()}
    assert table["w"]["aliases"] == ["width"] and (table["w"]["min"], table["w"]["max"]) == (1, 16384)
    assert "cover" in table["fit"]["values"] and table["fit"]["default"] == "inside"
    assert set(table["q"]) == {"name", "aliases", "type", "min", "max", "values", "default", "text"}
    for name in "h enlarge dpr gravity rect rotate autorotate flip flop format bg progressive lossless chroma effort " \
                "filter-kernel trim pad border radius fpx fpy strict v maxage preset".split():
        assert table[name]["text"], name
    assert "x-test" not in table


def test_health(server, get):
    for path in ("/healthz", "/readyz"):
        assert (get(path).status, get(path).body) == (200, b"ok\n")
        assert http("HEAD", server.url + path).status == 200
        problem(http("DELETE", server.url + path), 405, "method_not_allowed")


def test_unknown_endpoints_list_the_known_ones(get):
    assert "/api/images/process" in problem(get("/api/nothing"), 404, "no_such_endpoint")["detail"]


def test_no_root(start_pixpool):
    p = start_pixpool(image_root="")
    problem(http("GET", f"{p.url}/img/photo.jpg"), 404, "no_image_root")


# Refusals.


@pytest.mark.parametrize(
    "options, code, option, says",
    [
        ("widht=300", "option_unknown", "widht", "width"),
        ("blurr=3", "option_unknown", "blurr", "nearest"),
        ("w=0", "option_range", "w", "1 to 16384"),
        ("width=99999", "option_range", "width", "1 to 16384"),
        ("w=abc", "option_malformed", "w", "pixels"),
        ("w=3&w=3", "option_repeated", "w", "twice"),
        ("w=3&width=3", "option_repeated", "width", "w"),
        ("q=101", "option_range", "q", "1 to 100"),
        ("fit=zoom", "option_range", "fit", "cover"),
        ("rotate=400", "option_range", "rotate", "-360 to 360"),
        ("crop=1,2,3,4", "option_malformed", "crop", "rect=x,y,w,h"),
        ("rect=1,2,3,4&cx=1", "option_clash", "rect", "one of them"),
        ("preset=nope", "option_range", "preset", "nope"),
        ("x-test=crash", "option_unknown", "x-test", "nearest"),
        ("w=%3Cscript%3E", "option_malformed", "w", "<script>"),
        ("w=%ff", "option_malformed", "w", "?"),
    ],
)
def test_bad_options(get, options, code, option, says):
    assert says in problem(get(f"/img/photo.jpg?{options}"), 400, code, option)["detail"]


def test_rect_outside_of_the_image(get):
    assert problem(get("/img/photo.jpg?rect=1300,0,10,10"), 400, "param")


def test_refused_from_the_header(server, get):
    problem(get("/img/photo.jpg?w=16384&h=16384&fit=stretch&enlarge=1&dpr=8"), 422, "limit")
    assert "2097152" in problem(get("/img/big.png"), 422, "limit")["detail"]
    assert http("HEAD", f"{server.url}/img/big.png").status == 422
    problem(get("/img/broken/text.jpg"), 415, "format")
    assert get("/img/broken/empty.png").status in (415, 422)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_methods(server, method):
    answer = http(method, f"{server.url}/img/photo.jpg")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
