"""Filters through every door, judged by Pillow and by the formulas in docs/filters.md worked out in doubles here."""

import io

import numpy as np
import pytest
from PIL import Image

from client import http
from program import run
from samples import encoded, scene



def process(data, *options, format="png"):
    """Through the command line: the decoded result."""
    wanted = ",".join([*options, f"format={format}"])
    p = run("process", "-", "-o", "-", wanted, stdin=data)
    assert p.returncode == 0, p.err
    im = Image.open(io.BytesIO(p.stdout))
    im.load()
    return im


def array(im, mode="RGB"):
    return np.asarray(im.convert(mode)).astype(float)


def distance(a, b):
    """The mean and the largest difference of two pictures."""
    d = np.abs(np.asarray(a, float) - np.asarray(b, float))
    return d.mean(), d.max()


PICTURE = scene((240, 160))
PNG = encoded(PICTURE, format="PNG")
JPEG = encoded(PICTURE, format="JPEG", quality=97)
ALPHA = encoded(scene((240, 160), "RGBA"), format="PNG")


# Pixelation.


def squares(a, side):
    """Mean of each square; the sides divide evenly."""
    h, w, n = a.shape
    means = a.reshape(h // side, side, w // side, side, n).mean((1, 3), keepdims=True)
    return np.broadcast_to(means, (h // side, side, w // side, side, n)).reshape(h, w, n)


def test_pixelation_is_the_mean_of_squares():
    got = array(process(PNG, "pixel=20"))
    assert distance(got, squares(array(PICTURE), 20))[1] <= 0.5


def test_pixelation_on_planes():
    got = array(process(JPEG, "pixel=16", "q=95", format="jpeg"))
    assert distance(got, squares(array(PICTURE), 16))[0] < 1.5


def test_filters_see_only_the_picture():
    got = array(process(PNG, "w=300", "h=300", "fit=pad", "bg=red", "pixel=40"))
    assert (got[:70] == [255, 0, 0]).all() and (got[230:] == [255, 0, 0]).all()
    assert distance(got[70:230, 30:270], squares(array(PICTURE), 40))[1] <= 0.5


def test_alpha_is_composed_after_the_filters():
    clear = array(process(ALPHA, "pixel=20"), "RGBA")
    got = array(process(ALPHA, "pixel=20", "bg=00f"))
    a = clear[..., 3:] / 255
    assert distance(got, clear[..., :3] * a + np.array([0, 0, 255.0]) * (1 - a))[1] <= 1.5


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module()


@pytest.mark.parametrize("path", ["/img/alpha.png?pixelate=10", "/img/pixel=10/alpha.png"])
def test_doors(server, path):
    answer = http("GET", server.url + path)
    assert answer.status == 200, answer.body
    a = array(Image.open(io.BytesIO(answer.body)), "RGBA")
    assert (a[:10, :10] == a[0, 0]).all() and (a[:10, 10] != a[0, 0]).any()


@pytest.mark.parametrize("options", ["pixel=0", "pixel=513"])
def test_out_of_range(server, options):
    assert http("GET", f"{server.url}/img/photo.jpg?{options}").status == 400


# Tones: each against its formula in doubles; planes of JPEG and WebP show the same as RGB.

LUMA = np.array([0.299, 0.587, 0.114])
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


def luma(a):
    return (a @ LUMA)[..., None]


def saturated(a, factor):
    return luma(a) + (a - luma(a)) * factor


def turned(a, degrees):
    y, angle = luma(a)[..., 0], np.radians(degrees)
    u, v = a[..., 2] - y, a[..., 0] - y
    r, b = y + v * np.cos(angle) + u * np.sin(angle), y + u * np.cos(angle) - v * np.sin(angle)
    return np.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b], -1)


def duotone(a, start=(0xC8, 0x36, 0x58), stop=(0xD8, 0xE7, 0x4F)):
    return np.array(start) + (np.array(stop) - start) * luma(a) / 255


TONES = {
    "bri=30": lambda a: a * 1.3,
    "brightness=0.5": lambda a: a * 0.5,
    "con=-40": lambda a: (a - 127.5) * 0.6 + 127.5,
    "contrast=1.8": lambda a: (a - 127.5) * 1.8 + 127.5,
    "sat=-60": lambda a: saturated(a, 0.4),
    "saturation=1.5": lambda a: saturated(a, 1.5),
    "hue=120": lambda a: turned(a, 120),
    "gam=2.2": lambda a: 255 * (a / 255) ** (1 / 2.2),
    "filt=greyscale": lambda a: luma(a) + a * 0,
    "filt=sepia": lambda a: a @ SEPIA.T,
    "filt=negate": lambda a: 255 - a,
    "filt=duotone": duotone,
    "filter=duotone,start=000080,stop=ff0": lambda a: duotone(a, (0, 0, 128), (255, 255, 0)),
    "bri=10,con=20,sat=30,hue=45": lambda a: turned(saturated((a * 1.1 - 127.5) * 1.2 + 127.5, 1.3), 45),
}


def wanted(tone, picture=PICTURE):
    return np.clip(TONES[tone](array(picture)), 0, 255)


@pytest.mark.parametrize("tone", TONES)
def test_tones_of_rgb(tone):
    assert distance(array(process(PNG, tone)), wanted(tone))[1] <= 1.01


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("format,q", [("jpeg", 95), ("jpeg", 85), ("webp", 95)])
def test_tones_of_planes(tone, format, q):
    """What the codec alone does to the same picture is in the bound."""
    got = array(process(JPEG, tone, f"q={q}", format=format))
    same = wanted(tone)
    coded = encoded(Image.fromarray(same.round().astype("uint8")), format=format, quality=q)
    assert distance(got, same)[0] < distance(array(Image.open(io.BytesIO(coded))), same)[0] + 2.0


@pytest.mark.parametrize("tone", ["contrast=1.8", "sat=-60", "filt=negate", "filt=duotone", "filt=greyscale", "gam=2.2"])
def test_webp_to_webp(tone):
    webp = encoded(PICTURE, format="WEBP", quality=95)
    got = array(process(webp, tone, "q=95", format="webp"))
    assert distance(got, wanted(tone, Image.open(io.BytesIO(webp))))[0] < 4


@pytest.mark.parametrize("tone", ["bri=30", "filt=sepia", "filt=duotone", "gam=2.2", "filt=greyscale"])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_sources(tone, mode):
    grey = PICTURE.convert("L")
    if mode == "LA":
        grey.putalpha(scene((240, 160), "RGBA").getchannel("A"))
    got = process(encoded(grey, format="PNG"), tone)
    colours = tone in ("filt=sepia", "filt=duotone")
    assert got.mode == {"L": ("L", "RGB"), "LA": ("LA", "RGBA")}[mode][colours]
    assert distance(array(got.convert("RGBA")), wanted(tone, grey))[1] <= 0.51
    if mode == "LA":
        assert (array(got, "RGBA")[..., 3] == array(grey, "RGBA")[..., 3]).all()


@pytest.mark.parametrize("source", [JPEG, PNG], ids=["jpeg", "png"])
@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_greyscale_is_stored_as_grey(source, format):
    got = process(source, "filt=greyscale", "q=95", format=format)
    assert got.mode == "L"
    assert distance(array(got), wanted("filt=greyscale"))[0] < 1


@pytest.mark.parametrize("tone", ["bri=30", "filt=negate", "filt=sepia", "tint=00f", "filt=greyscale"])
def test_alpha_is_untouched(tone):
    was, got = array(Image.open(io.BytesIO(ALPHA)), "RGBA"), array(process(ALPHA, tone), "RGBA")
    assert (got[..., 3] == was[..., 3]).all()
    if tone in TONES:
        solid = was[..., 3] > 0
        assert distance(got[solid][:, :3], np.clip(TONES[tone](was[..., :3]), 0, 255)[solid])[1] <= 1.01


@pytest.mark.parametrize("bg", ["0000ff", "0000ff88"])
@pytest.mark.parametrize("filter", ["filt=negate", "filt=negate,pixel=8", "filt=greyscale"])
def test_a_tone_does_not_touch_bg(bg, filter):
    clear = process(ALPHA, filter).convert("RGBA")
    ground = Image.new("RGBA", clear.size, (0, 0, 255, int(bg[6:] or "ff", 16)))
    got = process(ALPHA, filter, f"bg={bg}").convert("RGBA")
    want = array(Image.alpha_composite(ground, clear), "RGBA")
    assert distance(array(got, "RGBA"), want)[1] <= 2


def test_a_tint_keeps_luma_and_takes_hue():
    was, got = array(PICTURE), array(process(PNG, "tint=ff8000"))
    assert distance(luma(got), luma(was))[1] <= 1.5
    r, g, b = got[np.abs(luma(was)[..., 0] - 150) < 20].T
    assert (r > g).all() and (g > b).all()


@pytest.mark.parametrize("tone", ["filt=duotone", "contrast=1.8", "sat=-60", "filt=sepia", "filt=greyscale"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_turned_pictures(tone, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE}[orientation]
    picture = scene((241, 161))
    data = encoded(picture, format="JPEG", quality=97, exif=exif.tobytes())
    got = array(process(data, tone, "q=95", format="webp"))
    assert distance(got, wanted(tone, picture.transpose(shown)))[0] < 4


def test_a_tone_on_a_canvas():
    got = array(process(JPEG, "w=300", "h=300", "fit=pad", "bg=white", "filt=negate"))
    assert (got[:70] == 255).all() and (got[230:] == 255).all()
    assert distance(got[70:230, 30:270], wanted("filt=negate"))[0] < 1.5


@pytest.mark.parametrize("options", ["bri=101", "con=-101", "brightness=11", "gam=0", "gam=10", "hue=361", "filt=x", "tint=zz"])
def test_tones_out_of_range(server, options):
    answer = http("GET", f"{server.url}/img/photo.jpg?{options}")
    assert answer.status == 400 and answer.json()["option"] == options.split("=")[0]


@pytest.mark.parametrize("source", [PNG, ALPHA, JPEG], ids=["png", "alpha", "jpeg"])
@pytest.mark.parametrize("options", ["filt=greyscale", "filt=greyscale,pixel=8", "filt=greyscale,bg=f00", "filt=sepia,bg=f00"])
def test_a_turn_and_a_tone_commute(source, options):
    got, upright = process(source, options, "rotate=90"), process(source, options)
    assert got.mode == upright.mode
    assert distance(array(got, "RGBA"), array(upright.transpose(Image.Transpose.ROTATE_270), "RGBA"))[0] < 0.5


# Blur and sharpening.


def kernel(sigma, radius=None):
    x = np.arange(-radius, radius + 1) if radius else np.arange(-int(6 * sigma + 1), int(6 * sigma + 2))
    w = np.exp(-(x**2) / (2 * sigma**2))
    return w / w.sum()


def weighed(a, w):
    """Rows and columns of each channel, continued by their edges."""
    r = len(w) // 2
    for axis in (0, 1):
        padded = np.pad(a, [(r, r) if i == axis else (0, 0) for i in range(3)], mode="edge")
        a = np.apply_along_axis(lambda line: np.convolve(line, w, "valid"), axis, padded)
    return a


def blurred(a, sigma):
    return weighed(a, kernel(sigma))


@pytest.mark.parametrize("sigma", [0.3, 2, 6, 15, 250])
def test_blur_of_rgb(sigma):
    assert distance(array(process(PNG, f"blur={sigma}")), blurred(array(PICTURE), sigma))[1] <= 2


@pytest.mark.parametrize("sigma", [0.8, 3, 25])
@pytest.mark.parametrize("format,options", [("jpeg", "q=95"), ("jpeg", "q=85"), ("jpeg", "q=85,chroma=422"), ("webp", "q=95")])
def test_blur_of_planes(sigma, format, options):
    got = array(process(JPEG, f"blur={sigma}", options, format=format))
    assert distance(got, blurred(array(PICTURE), sigma))[0] < (3 if format == "webp" else 1.6)


def test_blur_of_alpha():
    was = array(Image.open(io.BytesIO(ALPHA)), "RGBA")
    got = array(process(ALPHA, "bl=4"), "RGBA")
    alpha = blurred(was[..., 3:], 4)
    assert distance(got[..., 3:], alpha)[1] <= 1.1
    colour = blurred(was[..., :3] * was[..., 3:] / 255, 4)
    assert distance(got[..., :3] * got[..., 3:] / 255, colour)[1] <= 2


def test_blur_sees_only_the_picture():
    got = array(process(PNG, "w=300", "h=300", "fit=pad", "bg=red", "blur=9"))
    assert (got[:70] == [255, 0, 0]).all() and (got[230:] == [255, 0, 0]).all()
    assert distance(got[70:230, 30:270], blurred(array(PICTURE), 9))[1] <= 2


def by_sharp(d):
    """The curve of sharp's sharpen(), whose parameters count L* from 0 to 100."""
    size = np.abs(d) / 2.55
    return np.sign(d) * 2.55 * np.minimum(np.where(size < 2, size, 2 + 2 * (size - 2)), np.where(d > 0, 10, 20))


def mean9(a):
    return weighed(a, np.full(3, 1 / 3))


SHARPENINGS = {
    "sharp=": lambda y: (y - mean9(y)) * 9 / 24,
    "sharpen=1.5": lambda y: by_sharp(y - blurred(y, 1.5)),
    "usm=200,3": lambda y: 2 * (y - blurred(y, 3)),
    "usm=": lambda y: y - blurred(y, 1),
}


@pytest.mark.parametrize("option", SHARPENINGS)
def test_sharpening_of_rgb(option):
    was = array(PICTURE)
    got, want = array(process(PNG, option)), np.clip(was + SHARPENINGS[option](luma(was)), 0, 255)
    assert distance(got, want)[0] < 0.8 and distance(got, want)[1] <= 4
    assert distance(got, was)[1] > 4


@pytest.mark.parametrize("option", SHARPENINGS)
@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_sharpening_of_planes(option, format):
    was = array(PICTURE)
    want = np.clip(was + SHARPENINGS[option](luma(was)), 0, 255)
    got = array(process(JPEG, option, "q=97", format=format))
    assert distance(luma(got), luma(want))[0] < 2


def test_a_threshold_leaves_flat_areas_alone():
    grey = Image.radial_gradient("L").resize((200, 200))
    assert distance(array(process(encoded(grey, format="PNG"), "usm=400,4,20")), array(grey))[1] == 0


@pytest.mark.parametrize("level", ["c", "avx2"])
@pytest.mark.parametrize("option", ["blur=3", "blur=40", "sharp=2", "con=40,hue=30", "filt=sepia"])
def test_every_cpu_gives_the_same_bytes(level, option):
    def coded(**env):
        p = run("process", "-", "-o", "-", f"{option},w=200", stdin=JPEG, env=env)
        assert p.returncode == 0, p.err
        return p.stdout

    assert coded(PIXPOOL_ISA=level) == coded()


@pytest.mark.parametrize(
    "options", ["blur=0.2", "blur=251", "sharp=11", "sharp=x", "usm=501", "usm=100,1,2,3", "usm=100,0.1", "sigma=x"]
)
def test_sharpening_out_of_range(server, options):
    answer = http("GET", f"{server.url}/img/photo.jpg?{options}")
    assert answer.status == 400 and answer.json()["option"] == options.split("=")[0]


@pytest.mark.parametrize("options", ["sharp=", "sharp", "sh=mild", "usm=80,2,5", "blur=12", "bl=12&sh=1&pixel=3"])
def test_sharpening_through_urls(server, options):
    answer = http("GET", f"{server.url}/img/photo.jpg?w=120&{options}")
    assert answer.status == 200, answer.body
    assert Image.open(io.BytesIO(answer.body)).size == (120, 80)
