"""Text over HTTP and on the command line, judged by Pillow: with Raqm it shapes by HarfBuzz and FriBidi too, with its
basic engine it does not shape at all, so that ours must look like the one and unlike the other."""

import io
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, features

from client import http
from program import complaint, run

FONTS = Path("/usr/share/fonts/truetype")
SANS = FONTS / "dejavu" / "DejaVuSans.ttf"
ARABIC = FONTS / "noto" / "NotoNaskhArabic-Regular.ttf"
DEVANAGARI = FONTS / "noto" / "NotoSansDevanagari-Regular.ttf"
GROUND = (400, 300)


@pytest.fixture(scope="module")
def texts(start_pixpool_module, tmp_path_factory):
    root = tmp_path_factory.mktemp("ground")
    Image.new("RGB", GROUND).save(root / "black.png")
    Image.new("L", GROUND).save(root / "black.jpg", quality=95)
    Image.new("RGBA", GROUND).save(root / "clear.png")
    named = {"font.sans": SANS, "font.arabic": ARABIC, "font.deva": DEVANAGARI}
    return start_pixpool_module(image_root=root, sandbox="limits", **named)


def get(p, query, path="black.png", status=200):
    a = http("GET", f"{p.url}/img/{path}?{query}")
    assert a.status == status, a.body
    return a


def ink(p, text, query="", path="black.png"):
    """The text alone, as grey levels."""
    a = get(p, f"txt={quote(text)}&{query}", path)
    return Image.open(io.BytesIO(a.body)).convert("L")


def pillow(text, font, size, engine=ImageFont.Layout.RAQM):
    im = Image.new("L", GROUND)
    f = ImageFont.truetype(str(font), size, layout_engine=engine)
    ImageDraw.Draw(im).text((40, 100), text, 255, font=f)
    return im


def likeness(a, b):
    """How much two inks overlap once moved onto each other: 1 alike, 0 nothing in common. A blur forgives hinting."""
    def cut(im):
        box = im.getbbox()
        out = Image.new("L", (GROUND[0] + 40, GROUND[1] + 40))
        out.paste(im.crop(box), (20, 20))
        return out.filter(ImageFilter.GaussianBlur(1.5))

    a, b = cut(a), cut(b)
    def total(im):
        return sum(i * n for i, n in enumerate(im.histogram()))

    return 1 - total(ImageChops.difference(a, b)) / (total(a) + total(b))


def width(im):
    left, _, right, _ = im.getbbox()
    return right - left


SHAPED = (
    ("Hello, World", "sans", SANS, False),
    ("العربية قوة", "arabic", ARABIC, True),  # letters join
    ("नमस्ते क्षत्रिय", "deva", DEVANAGARI, True),  # conjuncts, and a vowel that moves before its consonant
    ("e\u0301a\u0308n\u0303", "sans", SANS, False),  # combining marks
)


@pytest.mark.parametrize("text, name, file, differs", SHAPED)
def test_looks_like_harfbuzz_and_not_like_single_letters(texts, text, name, file, differs):
    assert features.check("raqm")
    ours = ink(texts, text, f"txt-font={name}&txt-size=40&txt-pos=center")
    shaped, plain = (pillow(text, file, 40, e) for e in (ImageFont.Layout.RAQM, ImageFont.Layout.BASIC))
    assert abs(width(ours) - width(shaped)) <= 4
    assert likeness(ours, shaped) > 0.85
    if differs:
        assert likeness(ours, plain) < likeness(ours, shaped) - 0.15


def test_marks_stand_on_their_letter(texts):
    """A letter with a combining accent is as wide as the letter, and as the one character of both."""
    composed, combined, bare = (ink(texts, t, "txt-size=60&txt-pos=center") for t in ("é", "e\u0301", "e"))
    assert abs(width(combined) - width(bare)) <= 2
    assert likeness(combined, composed) > 0.9


def test_order_of_two_directions(texts):
    """Latin, Arabic, Latin: the three parts stand where a reader expects them."""
    a, b = ink(texts, "ab العربية cd", "txt-size=30&txt-pos=center"), ink(texts, "ab", "txt-size=30&txt-pos=center")
    left = a.crop((a.getbbox()[0], 0, a.getbbox()[0] + width(b), GROUND[1]))
    assert likeness(left, b) > 0.9


def test_characters_of_other_fonts_are_lent(texts):
    """The default font has no Devanagari; the third one has."""
    assert likeness(ink(texts, "नमस्ते", "txt-size=40&txt-pos=center"), pillow("नमस्ते", DEVANAGARI, 40)) > 0.85


@pytest.mark.parametrize("place, x, y", (("northwest", 0, 0), ("north", 1, 0), ("northeast", 2, 0), ("west", 0, 1),
                                         ("center", 1, 1), ("east", 2, 1), ("southwest", 0, 2), ("south", 1, 2),
                                         ("southeast", 2, 2)))
def test_positions(texts, place, x, y):
    left, top, right, bottom = ink(texts, "HIH", f"txt-pos={place}&txt-pad=20&txt-size=30").getbbox()
    want_x, want_y = (left - 20, (left + right - 400) / 2, 380 - right)[x], (top - 20, (top + bottom - 300) / 2,
                                                                             280 - bottom)[y]
    assert -1 <= want_x <= 4 if x != 1 else abs(want_x) <= 2
    assert -1 <= want_y <= 14 if y != 1 else abs(want_y) <= 6  # a line is higher than its capitals


def test_lines_wrap_and_break(texts):
    one = ink(texts, "word", "txt-size=30&txt-pos=northwest").getbbox()
    two = ink(texts, "word\nword", "txt-size=30&txt-pos=northwest").getbbox()
    assert abs(two[2] - one[2]) <= 1 and 30 <= two[3] - one[3] <= 40
    many = ink(texts, "word " * 20, "txt-size=30&txt-pos=northwest").getbbox()
    assert many[2] <= 395 and many[3] > 3 * 30
    endless = ink(texts, "w" * 60, "txt-size=30&txt-pos=northwest").getbbox()
    assert endless[2] <= 396 and endless[3] > 3 * 30
    ink(texts, "word " * 40, "txt-size=200")  # more than there is room for


def test_colour_alpha_and_density(texts):
    im = Image.open(io.BytesIO(get(texts, "txt=%E2%96%88&txt-size=100&txt-color=ff8000&txt-pos=center").body))
    assert im.convert("RGB").getpixel((200, 150)) == (255, 128, 0)
    im = Image.open(io.BytesIO(get(texts, "txt=%E2%96%88&txt-size=100&txt-alpha=50&txt-pos=center").body))
    assert abs(im.convert("RGB").getpixel((200, 150))[0] - 128) <= 1
    im = Image.open(io.BytesIO(get(texts, "txt=%E2%96%88&txt-size=100&txt-color=00ff0080&txt-pos=center",
                                   "clear.png").body))
    assert im.getpixel((200, 150)) == (0, 255, 0, 128)
    small, large = (ink(texts, "HIH", f"txt-size=20&txt-pos=center&dpr={d}") for d in (1, 2))
    assert abs(width(large) - 2 * width(small)) <= 3


def test_on_planes_and_grey(texts):
    im = Image.open(io.BytesIO(get(texts, "txt=%E2%96%88&txt-size=100&txt-color=red&txt-pos=center&format=jpeg&q=95",
                                   "black.jpg").body)).convert("RGB")
    r, g, b = im.getpixel((200, 150))
    assert r > 235 and g < 25 and b < 25


def test_tile(texts):
    im = ink(texts, "HI", "txt-size=20&txt-pos=tile&txt-pad=30")
    for box in ((0, 0, 100, 75), (300, 0, 400, 75), (0, 225, 100, 300), (300, 225, 400, 300)):
        assert im.crop(box).getbbox(), box


@pytest.mark.parametrize("query, says", (
    ("txt=x&txt-font=comic", "the names are: sans, arabic, deva"),
    ("txt=%FF", "not well-formed UTF-8"),
    ("txt=%ED%A0%80", "not well-formed UTF-8"),
    ("txt=%C0%AF", "not well-formed UTF-8"),
    ("txt=a%07b", "control characters"),
    ("txt=" + "x" * 257, "at most 256 bytes"),
    ("txt=x&txt-size=2", "from 4 to 1000"),
    ("txt=x&text=y", "given twice"),
))
def test_mistakes_are_named(texts, query, says):
    problem = get(texts, query, status=400).json()
    assert says in problem["detail"], problem


def test_without_a_font_the_answer_says_so(start_pixpool, tmp_path):
    problem = get(start_pixpool(), "txt=x", "plain.png", 400).json()
    assert "font.NAME" in problem["detail"]


def test_the_etag_holds_text_and_fonts(texts, start_pixpool):
    tags = {get(texts, q).headers["ETag"] for q in ("", "txt=a", "txt=b", "txt=a&txt-font=arabic")}
    assert len(tags) == 4
    other = start_pixpool(image_root=texts.root, **{"font.sans": FONTS / "dejavu" / "DejaVuSans-Bold.ttf"})
    assert get(other, "txt=a").headers["ETag"] not in tags
    assert get(other, "").headers["ETag"] in tags


def test_strict_sandbox(start_pixpool, texts):
    p = start_pixpool(image_root=texts.root, sandbox="strict", **{"font.sans": SANS})
    assert ink(p, "strict", "txt-size=40").getbbox()
    assert ink(p, "again العربية", "txt-size=30").getbbox()


def test_the_command_line(tmp_path):
    Image.new("RGB", GROUND).save(tmp_path / "g.png")
    p = run("process", "g.png", "-o", "o.png", "txt=Hello, you,txt-size=40", f"--font.sans={SANS}", cwd=tmp_path)
    assert p.returncode == 0, p.err
    assert Image.open(tmp_path / "o.png").convert("L").getbbox()
    (tmp_path / "bad.ttf").write_text("no font" * 50)
    p = run("process", "g.png", "-o", "o.png", "txt=x", "--font.sans=bad.ttf", cwd=tmp_path)
    assert "font.sans = bad.ttf: this is not a font" in complaint(p, 1)
