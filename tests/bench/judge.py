"""How good a picture is: PSNR and SSIM of its luma against an ideal that no program reaches.

The ideal is the whole decoded source, cropped and scaled by Lanczos3 in double precision with exact real-valued spans,
never rounded in between.

    judge.py SOURCE FIT OUT...   ->   {"psnr": mean, "ssim": mean}

A program of its own, so that the bench itself stays small: a child's peak memory counts from its parent's at the fork.
"""

import json
import sys

import numpy as np
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None
LUMA = np.array([0.299, 0.587, 0.114])


def pixels(path):
    """RGB as float64, oriented, alpha on white."""
    im = ImageOps.exif_transpose(Image.open(path))
    if im.mode in ("RGBA", "LA", "PA") or "transparency" in im.info:
        im = im.convert("RGBA")
        white = Image.new("RGBA", im.size, "white")
        im = Image.alpha_composite(white, im)
    return np.asarray(im.convert("RGB"), dtype=np.float64)


def resample(a, n_out, x0, x1):
    """a along its first axis, whose interval [x0, x1) becomes n_out samples: normalised Lanczos3."""
    n_in, scale = len(a), (x1 - x0) / n_out
    stretch = max(scale, 1.0)
    out = np.empty((n_out, *a.shape[1:]))
    for i in range(n_out):
        centre = x0 + (i + 0.5) * scale - 0.5
        first, last = max(0, int(centre - 3 * stretch)), min(n_in, int(centre + 3 * stretch) + 2)
        d = (np.arange(first, last) - centre) / stretch
        w = np.where(np.abs(d) < 3, np.sinc(d) * np.sinc(d / 3), 0.0)
        out[i] = np.tensordot(w / w.sum(), a[first:last], axes=1)
    return out


def ideal(source, width, height, fit):
    """source (from pixels()) at width x height; fit "cover" crops to the box's aspect, else all of it is shown."""
    h, w = source.shape[:2]
    x0, y0, x1, y1 = 0.0, 0.0, float(w), float(h)
    if fit == "cover":
        scale = min(w / width, h / height)
        x0, y0 = (w - width * scale) / 2, (h - height * scale) / 2
        x1, y1 = x0 + width * scale, y0 + height * scale
    rows = resample(source, height, y0, y1)
    columns = resample(np.ascontiguousarray(rows.transpose(1, 0, 2)), width, x0, x1)
    return np.clip(columns.transpose(1, 0, 2), 0, 255)


def psnr(a, b):
    error = np.mean((a @ LUMA - b @ LUMA) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def blurred(a):
    """Gaussian, sigma 1.5, 11 taps, the window of Wang et al. 2004."""
    g = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    g /= g.sum()
    h, w = a.shape
    a = sum(g[k] * a[k : h - 10 + k] for k in range(11))
    return sum(g[k] * a[:, k : w - 10 + k] for k in range(11))


def ssim(a, b):
    a, b = a @ LUMA, b @ LUMA
    if min(a.shape) < 11:
        return float("nan")
    ma, mb = blurred(a), blurred(b)
    va, vb, cov = blurred(a * a) - ma * ma, blurred(b * b) - mb * mb, blurred(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(np.mean((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))))


def main(source, fit, *outputs):
    whole, ideals, scores = pixels(source), {}, []
    for path in outputs:
        got = pixels(path)
        if got.shape not in ideals:
            ideals[got.shape] = ideal(whole, got.shape[1], got.shape[0], fit)
        scores.append((psnr(got, ideals[got.shape]), ssim(got, ideals[got.shape])))
    print(json.dumps(dict(zip(("psnr", "ssim"), np.mean(scores, axis=0)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
