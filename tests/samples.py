"""The image root of the tests, drawn by code: every format, orientation and awkward name, all small."""

import io

from PIL import Image, ImageDraw

PHOTO = (1200, 800)  # of photo.jpg
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def scene(size, mode="RGB"):
    """A picture in which place and direction can be seen: gradients, a dark corner, a circle."""
    w, h = size
    red = Image.linear_gradient("L").rotate(90).resize(size)
    green = Image.linear_gradient("L").resize(size)
    blue = Image.radial_gradient("L").resize(size)
    im = Image.merge("RGB", (red, green, blue))
    draw = ImageDraw.Draw(im)
    draw.rectangle((0, 0, w // 5, h // 5), fill=(20, 20, 60))
    draw.ellipse((w // 2, h // 2, w // 2 + h // 4, h // 2 + h // 4), fill=(250, 240, 90))
    if mode == "RGBA":
        im.putalpha(Image.radial_gradient("L").resize(size).point(lambda v: 255 - v))
        return im
    return im.convert(mode)


def encoded(im, format="PNG", **options):
    """The bytes of a file."""
    out = io.BytesIO()
    im.save(out, format, **options)
    return out.getvalue()


def quadrants(w, h):
    """Red and green above blue and white: shows turning, mirroring and where a crop was taken."""
    im = Image.new("RGB", (w, h), WHITE)
    im.paste(RED, (0, 0, w // 2, h // 2))
    im.paste(GREEN, (w // 2, 0, w, h // 2))
    im.paste(BLUE, (0, h // 2, w // 2, h))
    return im


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


def write_samples(root):
    """Fills root. The files directly in it are sound images; broken/ and sub/ hold the rest."""
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "broken").mkdir()

    scene(PHOTO).save(root / "photo.jpg", quality=90)
    scene((600, 400)).save(root / "progressive.jpg", quality=85, progressive=True)
    scene((400, 300), "L").save(root / "grey.jpg")
    scene((300, 200)).save(root / "plain.png")
    scene((300, 200), "RGBA").save(root / "alpha.png")
    scene((320, 240)).convert("P", palette=Image.Palette.ADAPTIVE).save(root / "palette.png")
    scene((320, 240)).save(root / "still.webp", quality=80)
    scene((200, 200), "RGBA").save(root / "alpha.webp", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored 300x200, shown 200x300
    scene((300, 200)).save(root / "turned.jpg", exif=exif.tobytes())
    scene((240, 160)).save(root / "ein Bär & 100%.jpg")

    scene((500, 400)).save(root / "sub" / "deep" / "leaf.jpg")
    scene((64, 64)).save(root / "sub" / ".hidden.jpg")

    whole = (root / "photo.jpg").read_bytes()
    (root / "broken" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "broken" / "text.jpg").write_text("This is not an image.\n" * 40)
    (root / "broken" / "empty.png").write_bytes(b"")
