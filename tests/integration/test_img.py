"""GET /img/: sizes, what is where, and how it is encoded; Pillow judges what comes back."""

import pytest
from PIL import Image, ImageChops, ImageStat

from answers import image, problem
from client import http
from samples import BLUE, GREEN, PHOTO, RED, WHITE, corners, near, quadrants, scene


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    p = start_pixpool_module()
    quadrants(120, 80).save(p.root / "quad.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    noise = Image.effect_noise((400, 300), 90).convert("RGB")
    noise.save(p.root / "late-exif.webp", quality=98, exif=exif.tobytes())
    assert (p.root / "late-exif.webp").stat().st_size > 65536  # EXIF lies beyond the first look
    return p


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
