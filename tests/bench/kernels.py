"""The kernels' bench with Pillow beside it: python3 kernels.py BUILD/tests/bench/kernels [rounds]

Rounds of the program and of Pillow alternate in one run, so that both see the same machine; the least times count.
Prints one JSON object: the program's own, Pillow's milliseconds of CPU, and how often ours go into Pillow's.
"""

import json
import subprocess
import sys
import time

from PIL import Image

SIZE, TO = (4928, 3279), (852, 567)
MODES = {"rgb": "RGB", "rgba_premultiply": "RGBA", "grey": "L"}  # Pillow premultiplies RGBA by itself


def pillow_ms(im):
    start = time.process_time()
    im.resize(TO, Image.LANCZOS)
    return (time.process_time() - start) * 1000


def better(key, a, b):
    return max(a, b) if key.endswith("mpx_s") else min(a, b)


def merge(a, b):
    return {k: merge(v, b[k]) if isinstance(v, dict) else better(k, v, b[k]) for k, v in a.items()}


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    noise = Image.effect_noise(SIZE, 80)
    images = {name: Image.merge(mode, [noise] * len(mode)) for name, mode in MODES.items()}
    ours, pillow = None, dict.fromkeys(MODES, 1e9)
    for _ in range(rounds):
        out = subprocess.run([sys.argv[1], "5"], stdout=subprocess.PIPE, check=True).stdout
        ours = merge(ours, json.loads(out)) if ours else json.loads(out)
        for name, im in images.items():
            pillow[name] = min(pillow[name], pillow_ms(im))
    result = dict(ours, pillow={k: round(v, 1) for k, v in pillow.items()})
    result["pillow_to_ours"] = {
        isa: {k: round(pillow[k] / v[k], 1) for k in pillow} for isa, v in ours.items() if isinstance(v, dict)}
    print(json.dumps(result, indent=1))


main()
