"""The image root of the tests, drawn by code: every format, orientation and awkward name, all small."""

from PIL import Image, ImageDraw

PHOTO = (1200, 800)  # of photo.jpg


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
