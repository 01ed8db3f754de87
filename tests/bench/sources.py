"""The photographs that the bench works on: Debian's, a folder of camera files where there is one, and the forms of both
that no photograph at hand has (grey, CMYK, other subsamplings, PNG, WebP), made once below the build directory."""

import subprocess
from pathlib import Path

from PIL import Image

Image.MAX_IMAGE_PIXELS = None
MATE = Path("/usr/share/backgrounds/mate")


def is_progressive(path):
    return bool(Image.open(path).info.get("progressive"))


def photographs(extra):
    """JPEG photographs of at least 3.5 megapixels, baseline; progressive ones are made baseline without loss."""
    found = (sorted(Path(extra).glob("*.jpg")) if extra else []) + sorted(MATE.rglob("*.jpg"))
    for path in found:
        w, h = Image.open(path).size
        if w * h >= 3_500_000 and Image.open(path).mode == "RGB":
            yield path


class Sources:
    def __init__(self, folder, extra):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.photos = list(photographs(extra))
        self.extra = Path(extra) if extra else None

    def made(self, path, suffix, make):
        out = self.folder / f"{path.stem}{suffix}"
        if not out.exists():
            part = out.with_name("part" + out.suffix)
            make(path, part)
            part.rename(out)
        return out

    def baseline(self):
        """As the camera wrote them; only progressive ones are rewritten, coefficient by coefficient."""
        return [self.tran(p, "-baseline.jpg", []) if is_progressive(p) else p for p in self.photos]

    def progressive(self):
        return [p if is_progressive(p) else self.tran(p, "-progressive.jpg", ["-progressive"]) for p in self.photos]

    def tran(self, path, suffix, flags):
        def make(src, dst):
            subprocess.run(["jpegtran", "-copy", "all", *flags, "-outfile", dst, src], check=True)

        return self.made(path, suffix, make)

    def jpeg(self, suffix, mode=None, **save):
        def make(src, dst):
            im = Image.open(src)
            (im.convert(mode) if mode else im).save(dst, "JPEG", quality=90, **save)

        return [self.made(p, suffix, make) for p in self.photos[:4]]

    def form(self, name):
        """Paths of the sources in a form that a task names."""
        if name == "422":
            return self.jpeg("-422.jpg", subsampling=1)
        if name == "444":
            return self.jpeg("-444.jpg", subsampling=0)
        if name == "grey":
            return self.jpeg("-grey.jpg", mode="L")
        if name == "cmyk":
            return self.jpeg("-cmyk.jpg", mode="CMYK")
        return getattr(self, name)()

    def png(self):
        def make(src, dst):
            Image.open(src).convert("RGB").resize((3464, 2309), Image.LANCZOS).save(dst, "PNG")

        return [self.made(p, ".png", make) for p in self.photos[:4]]

    def rgba(self):
        def make(src, dst):
            im = Image.open(src).convert("RGB").resize((2121, 1414), Image.LANCZOS)
            im.putalpha(Image.radial_gradient("L").resize(im.size))
            im.save(dst, "PNG")

        return [self.made(p, "-rgba.png", make) for p in self.photos[:4]]

    def webp(self):
        def make(src, dst):
            Image.open(src).convert("RGB").save(dst, "WEBP", quality=85, method=2)

        made = [self.made(p, ".webp", make) for p in self.photos[:3]]
        return made + (sorted(self.extra.glob("*.webp")) if self.extra else [])
