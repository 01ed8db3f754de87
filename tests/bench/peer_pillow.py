"""Pillow as a peer: one JSON order a line on stdin, one JSON answer a line on stdout."""

import io
import json
import resource
import sys
import time

from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None


def one(data, o):
    im = Image.open(io.BytesIO(data))
    if im.format == "JPEG":
        im.draft(None, (o["w"] * 2, (o.get("h") or 1) * 2))
    im = ImageOps.exif_transpose(im)
    if im.mode in ("CMYK", "P"):
        im = im.convert("RGB")
    if o.get("fit") == "cover":
        im = ImageOps.fit(im, (o["w"], o["h"]), Image.LANCZOS)
    else:
        im.thumbnail((o["w"], o.get("h") or 10**6), Image.LANCZOS)
    out = io.BytesIO()
    if o["format"] == "webp":
        im.save(out, "WEBP", quality=o["q"], method=o["effort"])
    elif o["format"] == "png":
        im.save(out, "PNG")
    else:
        im.save(out, "JPEG", quality=o["q"])
    return out.getvalue()


for line in sys.stdin:
    order = json.loads(line)
    with open(order["src"], "rb") as f:
        source = f.read()
    cpu_ms = []
    for _ in range(order["repeat"]):
        t = time.process_time()
        results = [one(source, o) for o in order["outputs"]]
        cpu_ms.append((time.process_time() - t) * 1000)
    for o, r in zip(order["outputs"], results):
        if o.get("to"):
            with open(o["to"], "wb") as f:
                f.write(r)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"cpu_ms": cpu_ms, "bytes": [len(r) for r in results], "rss_kb": rss}), flush=True)
