"""Watermarks over HTTP: named, by path and uploaded; where they lie, judged by Pillow, whose compositing is the
reference."""

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from client import http, multipart
from program import complaint, run
from samples import encoded, scene
from test_colour import worst

PROCESS = "/api/images/process"


def logo(size=(80, 40), alpha=True):
    """A disc and a bar, half of it translucent."""
    im = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(im)
    draw.ellipse((2, 2, size[1] - 3, size[1] - 3), fill=(230, 30, 40, 255))
    draw.rectangle((size[0] // 2, size[1] // 4, size[0] - 1, size[1] // 2), fill=(20, 220, 60, 128))
    return im if alpha else im.convert("RGB")


LOGO = logo()


@pytest.fixture(scope="module")
def marked(start_pixpool_module, tmp_path_factory):
    """An instance that knows the mark "logo", and has others below mark_root."""
    root = tmp_path_factory.mktemp("marks")
    (root / "deep").mkdir()
    LOGO.save(root / "logo.png")
    logo((40, 40)).save(root / "deep" / "square.png")
    logo((60, 60), alpha=False).save(root / "flat.jpg", quality=95)
    (root / "text.png").write_text("no image")
    named = {"mark.logo": root / "logo.png", "mark.other": root / "deep" / "square.png"}
    return start_pixpool_module(mark_root=root, **named)


def get(p, path, query, status=200):
    a = http("GET", f"{p.url}/img/{path}?{query}")
    assert a.status == status, a.body
    return a


def picture(a):
    im = Image.open(io.BytesIO(a.body))
    im.load()
    return im


def over(ground, mark, at, alpha=100):
    """What Pillow makes of it."""
    m = mark.convert("RGBA")
    m.putalpha(m.getchannel("A").point(lambda v: round(v * alpha / 100)))
    layer = Image.new("RGBA", ground.size, (0, 0, 0, 0))
    layer.paste(m, at)
    return Image.alpha_composite(ground.convert("RGBA"), layer)


def changed(a, b):
    """The box in which two pictures differ."""
    return ImageChops.difference(a.convert("RGB"), b.convert("RGB")).getbbox()


def places(w, h, mw, mh, pad):
    x, y = (pad, (w - mw) // 2, w - mw - pad), (pad, (h - mh) // 2, h - mh - pad)
    names = ("northwest north northeast west center east southwest south southeast").split()
    return {name: (x[i % 3], y[i // 3]) for i, name in enumerate(names)}


@pytest.mark.parametrize("place", places(0, 0, 0, 0, 0))
def test_every_position_as_pillow_composites(marked, place):
    ground = picture(get(marked, "plain.png", "w=200"))
    got = picture(get(marked, "plain.png", f"w=200&mark=logo&mark-w=80&mark-pos={place}&mark-pad=7"))
    want = over(ground, LOGO, places(*ground.size, 80, 40, 7)[place])
    assert worst(got, want) <= 1


def test_onto_alpha_as_pillow_composites(marked):
    ground = picture(get(marked, "alpha.png", "w=200"))
    got = picture(get(marked, "alpha.png", "w=200&mark=logo&mark-w=80&mark-pos=center"))
    want = over(ground, LOGO, ((200 - 80) // 2, (ground.height - 40) // 2))
    assert got.mode == "RGBA"
    assert ImageChops.difference(got.getchannel("A"), want.getchannel("A")).getextrema()[1] <= 1
    # Colours count by how much of them shows.
    black = Image.new("RGBA", got.size, (0, 0, 0, 255))
    assert worst(Image.alpha_composite(black, got), Image.alpha_composite(black, want)) <= 2


@pytest.mark.parametrize("chroma", ("420", "422", "444"))
@pytest.mark.parametrize("size", ("w=201&h=151&fit=cover", "w=200"))
def test_in_the_planes_of_a_jpeg(marked, chroma, size):
    """At an odd position, on planes; the reference is composited in RGB and encoded alike by Pillow."""
    query = f"{size}&q=95&chroma={chroma}&format=jpeg"
    ground = picture(get(marked, "photo.jpg", query))
    got = picture(get(marked, "photo.jpg", f"{query}&mark=logo&mark-w=80&mark-pos=southwest&mark-x=11&mark-y=9"))
    want = over(ground, LOGO, (11, ground.height - 40 - 9)).convert("RGB")
    sampling = {"420": 2, "422": 1, "444": 0}[chroma]
    judged = Image.open(io.BytesIO(encoded(want, "JPEG", quality=95, subsampling=sampling)))
    difference = ImageChops.difference(got, judged.convert("RGB")).convert("L")
    assert sum(i * n for i, n in enumerate(difference.histogram())) / (want.width * want.height) < 1.2
    left, top, right, bottom = changed(ground, got)
    # An encoder works on blocks of 8 and 16: beyond those of the mark nothing may change.
    assert left >= 0 and top >= want.height - 49 - 16 and right <= 91 + 16 and bottom <= want.height


def test_alpha_and_scale(marked):
    ground = picture(get(marked, "plain.png", "w=200"))
    got = picture(get(marked, "plain.png", "w=200&mark=logo&mark-w=80&mark-alpha=40&mark-pos=center"))
    assert worst(got, over(ground, LOGO, (60, (ground.height - 40) // 2), 40)) <= 1
    left, top, right, bottom = changed(ground, picture(get(marked, "plain.png", "w=200&mark=other&mark-scale=50")))
    assert 95 <= right and right <= 195 and bottom <= ground.height - 5 and right - left <= 100
    # A fifth of the width where nothing is said.
    small = changed(ground, picture(get(marked, "plain.png", "w=200&mark=other")))
    assert 30 <= small[2] - small[0] <= 40


def test_names_and_glides_spelling(marked):
    one = get(marked, "plain.png", "mark=logo&mark-w=50&mark-pos=top-left&mark-pad=3&mark-alpha=70&mark-x=4&mark-y=5")
    for other in ("wm=logo&markw=50&markpos=top-left&markpad=3&markalpha=70&markx=4&marky=5",
                  "watermark=logo&markw=50&mark-align=northwest&markpad=3&markalpha=70&markx=4&marky=5"):
        assert get(marked, "plain.png", other).body == one.body


@pytest.mark.parametrize("width", (32, 60, 120))
@pytest.mark.parametrize("chroma", (0, 2))
def test_a_mark_out_of_a_large_photograph(marked, tmp_path, width, chroma):
    """Much more than a decoder can shrink by."""
    photo = scene((2400, 1800))
    form = [("file", encoded(Image.new("RGB", (200, 150))), "a.png", "image/png"),
            ("watermark", encoded(photo, "JPEG", quality=92, subsampling=chroma), "b.jpg", "image/jpeg")]
    body, kind = multipart(form)
    a = http("POST", f"{marked.url}{PROCESS}?mark-w={width}&mark-pad=0&mark-pos=northwest", body, {"Content-Type": kind})
    assert a.status == 200, a.body
    height = width * 3 // 4
    got, want = picture(a).crop((0, 0, width, height)), photo.resize((width, height), Image.Resampling.LANCZOS)
    assert worst(got, want) <= 16 and max(ImageStat.Stat(ImageChops.difference(got.convert("RGB"), want)).mean) < 2


def test_tile_covers_the_picture(marked):
    ground = picture(get(marked, "photo.jpg", "w=320&format=png"))
    got = picture(get(marked, "photo.jpg", "w=320&format=png&mark=flat.jpg&mark-w=20&mark-pos=tile&mark-pad=12"))
    mark = picture(get(marked, "plain.png", "w=32&mark=flat.jpg&mark-w=20&mark-pos=northwest&mark-pad=0"))
    mark = mark.crop((0, 0, 20, 20))
    for y in range(0, ground.height, 32):
        for x in range(0, 320, 32):
            box = (x, y, min(x + 20, 320), min(y + 20, ground.height))
            assert worst(got.crop(box), mark.crop((0, 0, box[2] - x, box[3] - y))) <= 12, (x, y)
            gap = (x + 21, y + 21, min(x + 31, 320), min(y + 31, ground.height))
            if gap[3] > gap[1]:
                assert worst(got.crop(gap), ground.crop(gap)) <= 2, (x, y)


def test_several_marks(marked):
    ground = picture(get(marked, "plain.png", "w=200"))
    got = picture(get(marked, "plain.png", "w=200&mark=logo&mark-w=80&mark-pos=northwest"
                      "&mark.1=deep/square.png&mark-w.1=40&mark-pos.1=center&mark.2=logo&mark-w.2=80"))
    want = over(ground, LOGO, (5, 5))
    want = over(want, logo((40, 40)), (80, (ground.height - 40) // 2))
    want = over(want, LOGO, (200 - 85, ground.height - 45))
    assert worst(got, want) <= 1


@pytest.mark.parametrize("turn, op", (("90", Image.Transpose.ROTATE_270), ("180", Image.Transpose.ROTATE_180),
                                      ("270", Image.Transpose.ROTATE_90)))
def test_a_turned_mark(marked, turn, op):
    ground = picture(get(marked, "plain.png", "w=200"))
    got = picture(get(marked, "plain.png", f"w=200&mark=logo&mark-w=80&mark-rot={turn}&mark-pos=northwest"))
    assert worst(got, over(ground, LOGO.transpose(op), (5, 5))) <= 1


@pytest.mark.parametrize("angle", (30, -45.5))
def test_a_mark_at_any_angle(marked, angle):
    """Pillow turns by nearest or bicubic samples of its own, so that only the mean difference counts."""
    ground = picture(get(marked, "plain.png", "w=200"))
    got = picture(get(marked, "plain.png", f"w=200&mark=logo&mark-w=80&mark-rot={angle}&mark-pos=center"))
    turned = LOGO.rotate(-angle, Image.Resampling.BICUBIC, expand=True)
    want = over(ground, turned, ((200 - turned.width) // 2, (ground.height - turned.height) // 2))
    difference = ImageChops.difference(got.convert("RGB"), want.convert("RGB")).convert("L")
    assert sum(i * n for i, n in enumerate(difference.histogram())) / (200 * ground.height) < 1.0
    assert worst(got, ground) > 100


@pytest.mark.parametrize("format", ("webp", "png", "jpeg"))
def test_every_format_and_grey(marked, format):
    """A grey picture becomes coloured where its mark is."""
    got = picture(get(marked, "grey.jpg", f"w=200&format={format}&q=95&mark=flat.jpg&mark-pos=center&mark-scale=30"))
    r, g, b = got.convert("RGB").getpixel((100 - 10, got.height // 2))
    assert r > g + 100 and r > b + 100
    r, g, b = got.convert("RGB").getpixel((20, 20))
    assert max(r, g, b) - min(r, g, b) <= 6


def test_canvas_turn_and_filter_come_first(marked):
    ground = picture(get(marked, "plain.png", "w=200&h=200&fit=pad&bg=white&rotate=90&pixel=9"))
    got = picture(get(marked, "plain.png", "w=200&h=200&fit=pad&bg=white&rotate=90&pixel=9&mark=logo&mark-w=80"))
    assert worst(got, over(ground, LOGO, (115, 155))) <= 1


def test_uploads(marked):
    ground, mark = encoded(scene((200, 150))), encoded(LOGO)
    plain = [("file", ground, "g.png", "image/png")]
    part = [("watermark", mark, "logo.png", "image/png")]
    want = over(scene((200, 150)), LOGO, (115, 105))
    for fields in (plain + part + [("mark-w", "80")],
                   part + plain + [("operations", json.dumps({"mark": "upload", "mark-w": 80}))]):
        body, type = multipart(fields)
        a = http("POST", f"{marked.url}{PROCESS}", body, {"Content-Type": type})
        assert a.status == 200, a.body
        assert worst(picture(a), want) <= 1
    # A field of that name without a file is the option.
    body, type = multipart(plain + [("watermark", "logo"), ("mark-w", "80")])
    a = http("POST", f"{marked.url}{PROCESS}", body, {"Content-Type": type})
    assert worst(picture(a), want) <= 1
    # none turns it off.
    body, type = multipart(plain + part + [("mark", "none")])
    a = http("POST", f"{marked.url}{PROCESS}", body, {"Content-Type": type})
    assert worst(picture(a), scene((200, 150))) == 0


def test_renditions_share_the_uploaded_mark(marked):
    fields = [("watermark", encoded(LOGO), "logo.png", "image/png"),
              ("file", encoded(scene((400, 300))), "g.png", "image/png"),
              ("operations", json.dumps({"mark-w": 80, "outputs": [
                  {"name": "a", "w": 200}, {"name": "b", "w": 100, "mark": "none"}]}))]
    body, type = multipart(fields)
    a = http("POST", f"{marked.url}/api/images/renditions", body,
             {"Content-Type": type, "Accept": "application/x-ndjson"})
    assert a.status == 200, a.body
    lines = {o.get("output"): o for o in map(json.loads, a.body.splitlines())}
    results = {k: Image.open(io.BytesIO(base64.b64decode(lines[k]["data"]))) for k in "ab"}
    small = picture(http("POST", f"{marked.url}{PROCESS}?w=200", encoded(scene((400, 300))),
                         {"Content-Type": "image/png"}))
    assert worst(results["a"], over(small, LOGO, (115, 105))) <= 1
    tiny = picture(http("POST", f"{marked.url}{PROCESS}?w=100", encoded(scene((400, 300))),
                        {"Content-Type": "image/png"}))
    assert worst(results["b"], tiny) == 0


@pytest.mark.parametrize("query, code, says", (
    ("mark=nobody", "option_range", "the names are: logo, other"),
    ("mark.2=nobody", "option_range", "nobody"),
    ("mark=../samples", "option_range", "there is no watermark"),
    ("mark=/etc/passwd", "option_range", "there is no watermark"),
    ("mark=.hidden", "option_range", "there is no watermark"),
    ("mark=upload", "option_clash", "in a part"),
    ("mark=", "option_clash", "in a part"),
    ("mark=logo&wm=logo", "option_repeated", "given twice"),
    ("mark=logo&mark-pos=above", "option_range", "mark-pos must be one of"),
    ("mark=logo&mark-scale=0", "option_range", "from 0.1 to 1000"),
    ("mark=logo&mark-alpha=101", "option_range", "from 0 to 100"),
    ("mark=logo&mark-wide=3", "option_unknown", "nearest known name"),
))
def test_mistakes_are_named(marked, query, code, says):
    problem = get(marked, "plain.png", query, 400).json()
    assert problem["code"] == code and says in problem["detail"], problem


def test_a_mark_that_is_no_image(marked):
    problem = get(marked, "plain.png", "mark=text.png", 415).json()
    assert "the watermark" in problem["detail"]


def test_the_etag_holds_the_mark(marked, tmp_path):
    root = Path([k for k in marked.server.process.args if k.startswith("--mark_root=")][0].split("=", 1)[1])
    file = root / "changing.png"
    LOGO.save(file)
    first = get(marked, "plain.png", "mark=changing.png").headers["ETag"]
    assert get(marked, "plain.png", "mark=changing.png").headers["ETag"] == first
    a = http("GET", f"{marked.url}/img/plain.png?mark=changing.png", headers={"If-None-Match": first})
    assert a.status == 304
    logo((50, 20)).save(file)
    assert get(marked, "plain.png", "mark=changing.png").headers["ETag"] != first
    assert get(marked, "plain.png", "mark=logo").headers["ETag"] != get(marked, "plain.png", "").headers["ETag"]


def test_head_and_presets(start_pixpool, tmp_path):
    LOGO.save(tmp_path / "logo.png")
    config = tmp_path / "pixpool.conf"
    config.write_text(f"mark.logo = {tmp_path}/logo.png\n[preset]\nmarked = mark=logo,mark-w=80\n")
    p = start_pixpool(config=config)
    assert http("HEAD", f"{p.url}/img/plain.png?preset=marked").status == 200
    ground = picture(get(p, "plain.png", "w=200"))
    got = picture(get(p, "plain.png", "w=200&preset=marked"))
    assert worst(got, over(ground, LOGO, (115, ground.height - 45))) <= 1
    got = picture(get(p, "plain.png", "w=200&preset=marked&mark=none"))
    assert worst(got, ground) == 0


def test_the_command_line(tmp_path):
    LOGO.save(tmp_path / "logo.png")
    scene((200, 150)).save(tmp_path / "g.png")
    want = over(scene((200, 150)), LOGO, (115, 105))
    for words in (["mark-w=80", "--mark", "logo.png"], ["mark=logo.png,mark-w=80", f"--mark_root={tmp_path}"],
                  ["mark=my-logo,mark-w=80", "--mark.my-logo=logo.png"]):
        p = run("process", "g.png", "-o", "o.png", *words, cwd=tmp_path)
        assert p.returncode == 0, p.err
        assert worst(Image.open(tmp_path / "o.png"), want) <= 1
    for words, says in ((["mark=x"], "the names are: none"), (["mark=x", "--mark.a b=logo.png"], "letters, digits"),
                        (["mark=x", "--mark.x=missing.png"], "missing.png: No such file"),
                        (["mark=x", "--mark.x=g.txt"], "g.txt: ")):
        (tmp_path / "g.txt").write_text("no image" * 10)
        p = run("process", "g.png", "-o", "o.png", *words, cwd=tmp_path)
        assert p.returncode != 0 and says in p.err, p.err


def test_a_service_with_a_broken_mark_does_not_start(tmp_path):
    (tmp_path / "bad.png").write_text("no image at all, but long enough")
    p = run("serve", f"--listen=unix:{tmp_path}/s", f"--mark.logo={tmp_path}/bad.png")
    assert "mark.logo" in complaint(p, 1)
    p = run("check", f"--listen=unix:{tmp_path}/s", f"--mark.logo={tmp_path}/bad.png")
    assert p.returncode == 1 and b"mark.logo" in p.stdout
