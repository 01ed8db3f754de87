"""EXIF, XMP and IPTC: what leaves with a result, and what never does. Judged by Pillow, and by looking for bytes."""


import exif_blocks as blocks
import pytest
from PIL import Image, IptcImagePlugin
from samples import scene
from test_colour import process, saved

OUT = ["o.jpg", "o.png", "o.webp"]
ALWAYS_SECRET = ["thumbnail", "maker", "slack", "xmp thumbnail"]
# EXIF's way to write a latitude of 48 degrees, whatever the byte order, and its pointer.
GPS = [blocks.SECRETS["place"], b"GPSLatitude", b"\x88\x25", b"\x25\x88"]


def sources(order="<", **more):
    """The same blocks in each format that holds them."""
    im, exif, xmp = scene((90, 60)), blocks.exif(order, **more), blocks.xmp()
    yield "jpg", blocks.into_jpeg(saved(im, "jpg"), exif, xmp, blocks.iptc())
    yield "png", blocks.into_png(saved(im, "png"), exif, xmp)
    yield "png-z", blocks.into_png(saved(im, "png"), exif, xmp, compressed=True)
    yield "webp", saved(im, "webp", exif=exif, xmp=xmp)


def metadata_bytes(path):
    """A file without its pixels: what could hold metadata."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        return data[: data.index(b"\xff\xda")]
    if path.suffix == ".png":
        return data[: data.index(b"IDAT")] + data[data.rindex(b"IEND") - 64 :]
    return data


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("kind,data", sources())
def test_nothing_leaves_unasked(tmp_path, kind, data, out):
    got, _ = process(tmp_path, data, "w=40", out)
    assert got.size == (40, 60)
    assert not got.getexif() and "exif" not in got.info and "xmp" not in got.info
    bare, _ = process(tmp_path, data, "w=40,metadata=none", "bare" + out[1:])
    assert (tmp_path / out).read_bytes() == (tmp_path / ("bare" + out[1:])).read_bytes()
    found = [s for s in [*blocks.SECRETS.values(), b"Ann Example", b"Exif", b"xpacket"] if s in (tmp_path / out).read_bytes()]
    assert not found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("out", OUT)
def test_keep_keeps_what_is_true(tmp_path, order, out):
    for kind, data in sources(order):
        got, _ = process(tmp_path, data, "w=40,metadata=keep", out)
        exif = got.getexif()
        camera = exif.get_ifd(0x8769)
        assert got.size == (40, 60), kind  # shown upright: turned by its orientation
        assert exif[0x010F] == "Maker of cameras" and exif[blocks.COPYRIGHT] == "(c) 2024 Ann Example", kind
        assert exif[blocks.ORIENTATION] == 1 and (exif[0x0100], exif[0x0101]) == (40, 60), kind
        assert (camera[0xA002], camera[0xA003], camera[0xA001]) == (40, 60, 1), kind
        assert camera[0x829A] == 1 / 250 and camera[0x9003] == "2024:05:06 07:08:09", kind
        assert exif.get_ifd(0x8825)[2] == (48.0, 8.0, 0.0), kind
        bytes_ = metadata_bytes(tmp_path / out)
        assert b'tiff:Orientation="1"' in bytes_ and b'PixelXDimension="40"' in bytes_, kind
        assert b"PixelYDimension>60</exif" in bytes_ and b"exif:GPSLatitude" in bytes_, kind
        assert [s for s in ALWAYS_SECRET if blocks.SECRETS[s] in bytes_] == [], kind


def test_keep_keeps_iptc_in_jpeg(tmp_path):
    data = dict(sources())["jpg"]
    process(tmp_path, data, "w=40,metadata=keep", "o.jpg")
    with Image.open(tmp_path / "o.jpg") as im:
        iptc = IptcImagePlugin.getiptcinfo(im)
    assert iptc == {(2, 80): b"IPTC byline", (2, 116): b"IPTC copyright!"}


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("kind,data", sources())
def test_copyright_keeps_the_owner_alone(tmp_path, kind, data, out):
    got, _ = process(tmp_path, data, "w=40,metadata=copyright", out)
    assert dict(got.getexif()) == {blocks.ARTIST: "Ann Example", blocks.COPYRIGHT: "(c) 2024 Ann Example"}
    bytes_ = metadata_bytes(tmp_path / out)
    assert [s for s in blocks.SECRETS.values() if s in bytes_] == [] and b"a program" not in bytes_


@pytest.mark.parametrize("out", OUT)
def test_the_owner_is_found_in_iptc_and_xmp(tmp_path, out):
    plain = saved(scene((30, 20)), "jpg")
    got, _ = process(tmp_path, blocks.into_jpeg(plain, None, blocks.xmp(), blocks.iptc()), "metadata=copyright", out)
    assert dict(got.getexif()) == {blocks.ARTIST: "IPTC byline", blocks.COPYRIGHT: "IPTC copyright!"}
    got, _ = process(tmp_path, blocks.into_jpeg(plain, None, blocks.xmp()), "metadata=copyright", out)
    assert dict(got.getexif()) == {blocks.COPYRIGHT: "XMP owner & heirs"}
    got, _ = process(tmp_path, plain, "metadata=copyright", out)
    assert not got.getexif() and "exif" not in got.info


def test_gps_leaves_only_with_keep(tmp_path):
    for kind, data in [*sources("<"), *sources(">")]:
        for out in OUT:
            for options in ("w=40", "metadata=none", "strip=1", "metadata=copyright", "cs=keep", "rotate=90,q=90"):
                process(tmp_path, data, options, out)
                held = metadata_bytes(tmp_path / out)
                assert [g for g in GPS[: 4 if out != "o.webp" else 2] if g in held] == [], (kind, out, options)
            process(tmp_path, data, "strip=0", out)
            assert blocks.SECRETS["place"] in (tmp_path / out).read_bytes(), (kind, out)


def test_orientation_stays_where_it_is_not_applied(tmp_path):
    data = dict(sources(orientation=8))["jpg"]
    for options, orientation, size in [("autorotate=0", 8, (90, 60)), ("autorotate=0,flop=1", 1, (90, 60)), ("w=30", 1, (30, 45))]:
        got, _ = process(tmp_path, data, options + ",metadata=keep", "o.jpg")
        assert got.getexif()[blocks.ORIENTATION] == orientation and got.size == size


def test_kept_profile_and_metadata_stand_side_by_side(tmp_path):
    import profiles

    profile = profiles.rgb(profiles.ADOBE, profiles.curve_gamma(2.2))
    data = blocks.into_jpeg(saved(scene((90, 60)), "jpg", profile), blocks.exif(), blocks.xmp(), blocks.iptc())
    for out in OUT:
        got, _ = process(tmp_path, data, "metadata=keep,cs=keep,w=40", out)
        assert got.info["icc_profile"] == profile and got.getexif()[blocks.ORIENTATION] == 1
        assert got.getexif().get_ifd(0x8769)[0xA001] == 65535  # of the profile's colours nothing is claimed


def hostile():
    good = bytearray(blocks.exif())
    for at in range(0, len(good), 5):
        yield bytes(good[:at])
        for value in (0, 0x7F, 0xFF):
            bad = bytearray(good)
            bad[at : at + 2] = bytes((value, value))
            yield bytes(bad)
    yield b"II*\0\x08\0\0\0" + b"\xff\xff" + b"\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" * 5000


def test_hostile_exif_harms_nobody(tmp_path):
    """Every block gives a picture that Pillow reads."""
    plain = saved(scene((16, 12)), "jpg")
    for i, block in enumerate(hostile()):
        if i % 17 and len(block) < 10000:
            continue
        got, _ = process(tmp_path, blocks.into_jpeg(plain, block[:65000]), "metadata=keep", "o.jpg")
        got.getexif()
        assert [s for s in ("thumbnail", "slack") if blocks.SECRETS[s] in (tmp_path / "o.jpg").read_bytes()] == []
