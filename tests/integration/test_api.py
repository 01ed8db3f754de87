"""GET and HEAD /img/, /api/options and the health checks, through nginx; Pillow judges what comes back."""

import io
import os
import re
import time
from urllib.parse import quote

import pytest
from PIL import Image, ImageChops, ImageStat

from client import http
from conftest import wait_until
from samples import PHOTO, scene

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def quadrants(w, h):
    """Red and green above blue and white: shows turning, mirroring and where a crop was taken."""
    im = Image.new("RGB", (w, h), WHITE)
    im.paste(RED, (0, 0, w // 2, h // 2))
    im.paste(GREEN, (w // 2, 0, w, h // 2))
    im.paste(BLUE, (0, h // 2, w // 2, h))
    return im


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module(max_body="2M")
    root = p.root
    quadrants(120, 80).save(root / "quad.png")
    quadrants(120, 80).save(root / "two.png.webp", lossless=True)
    quadrants(120, 80).save(root / "two.png")
    quadrants(60, 40).save(root / "w=3.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    noise = Image.effect_noise((400, 300), 90).convert("RGB")
    noise.save(root / "late-exif.webp", quality=98, exif=exif.tobytes())
    assert (root / "late-exif.webp").stat().st_size > 65536  # EXIF lies beyond the first look
    (root / "100%41.jpg").write_bytes((root / "grey.jpg").read_bytes())
    (root / "big.png").write_bytes((root / "quad.png").read_bytes() + bytes(2 << 20))
    (root / "folder").mkdir()
    (root / "link.jpg").symlink_to("sub/deep/leaf.jpg")
    (root.parent / "outside.jpg").write_bytes((root / "grey.jpg").read_bytes())
    (root / "escape.jpg").symlink_to("../outside.jpg")
    (root / "absolute.jpg").symlink_to(root.parent / "outside.jpg")
    os.mkfifo(root / "fifo.jpg")
    return p


@pytest.fixture
def get(server):
    return lambda target, **headers: http("GET", f"{server.url}{target}",
                                          headers={k.replace("_", "-"): v for k, v in headers.items()})


def image(answer):
    """The image of an answer, after checking that its headers tell the truth."""
    assert answer.status == 200, answer.body[:400]
    im = Image.open(io.BytesIO(answer.body))
    im.load()
    assert answer.headers["Content-Type"] == Image.MIME[im.format]
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert (int(answer.headers["X-Image-Width"]), int(answer.headers["X-Image-Height"])) == im.size
    return im


def problem(answer, status, code, option=None):
    """The problem document of an answer, after checking its shape."""
    assert answer.status == status, answer.body[:400]
    assert answer.headers["Content-Type"] == "application/problem+json"
    p = answer.json()
    assert p["status"] == status and p["code"] == code, p
    assert p.get("option") == option, p
    assert p["error"] == p["detail"] and p["type"] and p["title"]
    assert p["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == ("max-age=10" if status == 404 else "no-store")
    return p


def near(pixel, colour, tolerance=8):
    return all(abs(a - b) <= tolerance for a, b in zip(pixel[:3], colour))


def corners(im):
    """Colour names of the four corners, reading order."""
    names = {RED: "R", GREEN: "G", BLUE: "B", WHITE: "W"}
    rgb = im.convert("RGB")
    w, h = im.size
    found = ""
    for x, y in ((2, 2), (w - 3, 2), (2, h - 3), (w - 3, h - 3)):
        found += next((n for c, n in names.items() if near(rgb.getpixel((x, y)), c, 40)), "?")
    return found


# Sizes.


@pytest.mark.parametrize(
    "options, size",
    [
        ("", (1200, 800)),
        ("w=300", (300, 200)),
        ("width=300", (300, 200)),
        ("h=200", (300, 200)),
        ("w=300&h=300", (300, 200)),
        ("w=300&h=300&fit=clip", (300, 200)),
        ("w=300&h=300&fit=cover", (300, 300)),
        ("w=300&h=300&fit=crop", (300, 300)),
        ("w=300&h=300&fit=pad", (300, 300)),
        ("w=300&h=300&fit=contain", (300, 300)),
        ("w=300&h=300&fit=stretch", (300, 300)),
        ("w=300&h=300&fit=fill", (300, 300)),
        ("w=300&h=300&fit=outside", (450, 300)),
        ("w=1", (1, 1)),
        ("w=50p", (600, 400)),
        ("w=50%25", (600, 400)),
        ("w=50%", (600, 400)),
        ("w=100&dpr=2", (200, 133)),
        ("w=2400", (1200, 800)),
        ("w=2400&enlarge=1", (2400, 1600)),
        ("w=2400&we=0", (2400, 1600)),
        ("w=2400&we=1", (1200, 800)),
        ("w=2400&h=2400&fit=cover", (800, 800)),
        ("w=2400&h=400&fit=stretch", (1200, 400)),
        ("w=1400&h=1000&fit=pad", (1400, 1000)),
        ("rect=100,100,300,150", (300, 150)),
        ("rect=25p,25p,50p,50p", (600, 400)),
        ("cx=10&cy=20&cw=30&ch=40", (30, 40)),
        ("left=10&top=20&areawidth=30&areaheight=40", (30, 40)),
        ("rect=0,0,400,400&w=100", (100, 100)),
        ("w=300&rotate=90", (200, 300)),
        ("w=300&rot=180", (300, 200)),
        ("preset=sharp&w=100&h=100", (100, 100)),
        ("w=300&utm_source=x&fbclid=y&gclid", (300, 200)),
    ],
)
def test_sizes(get, options, size):
    answer = get(f"/img/photo.jpg?{options}")
    assert image(answer).size == size
    assert (answer.headers["X-Source-Width"], answer.headers["X-Source-Height"]) == tuple(map(str, PHOTO))


def test_the_picture_is_the_right_one(get):
    got = image(get("/img/photo.jpg?w=300&q=95")).convert("RGB")
    wanted = scene(PHOTO).resize((300, 200), Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(got, wanted)).rms) < 4


# What is where.


@pytest.mark.parametrize(
    "options, seen",
    [
        ("", "RGBW"),
        ("flip", "BWRG"),
        ("flip=v", "BWRG"),
        ("flip=h", "GRWB"),
        ("flop", "GRWB"),
        ("flip=hv", "WBGR"),
        ("rotate=90", "BRWG"),
        ("rotate=180", "WBGR"),
        ("rotate=270", "GWRB"),
        ("rotate=90&flip", "WGBR"),
        ("w=40&h=20&fit=cover&g=center", "RGBW"),
        ("rect=0,0,60,40", "RRRR"),
        ("rect=60,40,60,40", "WWWW"),
        ("cw=60&ch=40&cx=60", "GGGG"),
        ("w=30&h=80&fit=cover&g=west", "RRBB"),
        ("w=30&h=80&fit=cover&g=right", "GGWW"),
        ("w=120&h=20&fit=cover&gravity=north", "RGRG"),
        ("w=120&h=20&fit=cover&crop=bottom", "BWBW"),
        ("w=30&h=80&fit=cover&fpx=.9&fpy=.1", "GGWW"),
        ("w=120&h=20&fit=cover&fp-y=0.2", "RGRG"),
        ("w=120&h=160&fit=pad&g=south&bg=f00", "RRBW"),
        ("w=120&h=160&fit=pad&g=top&bg=blue", "RGBB"),
        ("w=240&h=80&fit=pad&position=left&bg=rgb(0,0,255)", "RBBB"),
    ],
)
def test_places(get, options, seen):
    assert corners(image(get(f"/img/quad.png?{options}"))) == seen


def test_orientation_is_applied_or_not(get):
    turned = get("/img/turned.jpg")
    assert image(turned).size == (200, 300)
    assert (turned.headers["X-Source-Width"], turned.headers["X-Source-Height"]) == ("200", "300")
    assert image(turned).getexif().get(0x0112, 1) == 1
    assert image(get("/img/turned.jpg?autorotate=0")).size == (300, 200)


def test_orientation_behind_the_pixels_is_found(server, get):
    assert image(get("/img/late-exif.webp?w=30")).size == (30, 40)
    assert http("HEAD", f"{server.url}/img/late-exif.webp").headers["X-Image-Width"] == "300"


# Encoding.


@pytest.mark.parametrize(
    "path, options, format",
    [
        ("photo.jpg", "", "JPEG"),
        ("quad.png", "", "PNG"),
        ("still.webp", "", "WEBP"),
        ("photo.jpg", "format=origin", "JPEG"),
        ("photo.jpg", "format=png", "PNG"),
        ("photo.jpg", "fm=webp", "WEBP"),
        ("quad.png", "f=jpg", "JPEG"),
        ("quad.png", "output=jpeg", "JPEG"),
        ("alpha.webp", "type=png", "PNG"),
        ("quad.png", "preset=sharp", "JPEG"),
        ("quad.png", "preset=sharp&format=webp", "WEBP"),
    ],
)
def test_formats(get, path, options, format):
    assert image(get(f"/img/{path}?w=60&{options}")).format == format


def test_auto_follows_accept(server, get):
    for path, accept, format in (
        ("photo.jpg", "image/avif,image/webp,*/*;q=0.8", "WEBP"),
        ("photo.jpg", "image/webp;q=0, */*", "JPEG"),
        ("photo.jpg", "*/*", "JPEG"),
        ("quad.png", "*/*", "JPEG"),
        ("alpha.png", "*/*", "PNG"),
        ("alpha.png", "image/webp", "WEBP"),
    ):
        answer = get(f"/img/{path}?w=60&format=auto", Accept=accept)
        assert image(answer).format == format, (path, accept)
        assert answer.headers["Vary"] == "Accept"
    assert get("/img/photo.jpg?w=60").headers["Vary"] is None


def test_quality(get):
    low, default, high = (len(get(f"/img/photo.jpg?w=400{q}").body) for q in ("&q=30", "", "&quality=95"))
    assert low < default < high
    assert get("/img/photo.jpg?w=400&q=80").body == get("/img/photo.jpg?w=400").body


def test_progressive(get):
    assert image(get("/img/photo.jpg?w=100&progressive=1")).info.get("progressive")
    assert image(get("/img/photo.jpg?w=100&il")).info.get("progressive")
    assert not image(get("/img/progressive.jpg?w=100")).info.get("progressive")


def test_lossless_webp(get):
    source = quadrants(120, 80)
    exact = image(get("/img/quad.png?format=webp&lossless=1")).convert("RGB")
    assert ImageChops.difference(exact, source).getbbox() is None
    lossy = image(get("/img/quad.png?format=webp&q=20")).convert("RGB")
    assert ImageChops.difference(lossy, source).getbbox() is not None


@pytest.mark.parametrize(
    "options, sampling",
    [("", (2, 2)), ("q=90", (1, 1)), ("chroma=420&q=95", (2, 2)), ("chroma=422", (2, 1)), ("chromasub=444", (1, 1))],
)
def test_chroma(get, options, sampling):
    im = image(get(f"/img/quad.png?format=jpeg&{options}"))
    assert im.layer[0][1:3] == sampling


def test_effort(get):
    least, most = (image(get(f"/img/plain.png?{e}")) for e in ("effort=0", "compression=9"))
    assert ImageChops.difference(least.convert("RGB"), most.convert("RGB")).getbbox() is None
    assert len(get("/img/plain.png?effort=9").body) < len(get("/img/plain.png?effort=0").body)


def test_background(get):
    for bg, colour in (("", WHITE), ("bg=f00", RED), ("background=%23008000", GREEN), ("bg=0000ffff", BLUE)):
        im = image(get(f"/img/alpha.png?format=jpeg&q=95&{bg}"))
        assert near(im.getpixel((0, 0)), colour, 12), bg
    assert image(get("/img/alpha.png")).getpixel((0, 0))[3] == 0
    assert image(get("/img/alpha.png?bg=blue")).convert("RGBA").getpixel((0, 0)) == (0, 0, 255, 255)


def test_kernels_differ(get):
    names = ["lanczos3", "lanczos2", "mitchell", "catrom", "bilinear", "box", "nearest"]
    answers = {k: get(f"/img/plain.png?w=130&filter-kernel={k}") for k in names}
    assert len({a.body for a in answers.values()}) == len(names)
    assert get("/img/plain.png?w=130").body == answers["lanczos3"].body
    nearest = image(get("/img/quad.png?w=37&kernel=nearest")).convert("RGB")
    assert {c for _, c in nearest.getcolors()} == {RED, GREEN, BLUE, WHITE}


def test_a_truncated_source_is_delivered_as_far_as_it_goes(get):
    answer = get("/img/broken/half.jpg?w=300")
    assert image(answer).size == (300, 200)
    assert answer.headers["X-Image-Warning"] == "truncated"
    problem(get("/img/broken/half.jpg?w=300&strict=1"), 422, "corrupt")
    assert get("/img/photo.jpg?w=300").headers["X-Image-Warning"] is None


# Headers, caches.


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


# Paths.


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


# Everything else.


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


def test_the_access_line(server, get):
    answer = get("/img/photo.jpg?h=50&width=63&fit=inside", X_Request_Id="line-1")
    image(answer)
    assert wait_until(lambda: "id=line-1 " in server.log(), 5)  # it is written after the answer
    line = next(x for x in server.log().splitlines() if "id=line-1 " in x)
    for part in ("status=200", "route=img", "in=jpeg", "source=1200x800", "out=jpeg", "size=63x42", "worker="):
        assert part in line, line
