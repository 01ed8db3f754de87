"""ICC profiles, made by hand (ICC.1:2010): what tests need and no system can be relied on to have."""

import struct

D50 = (0.9642, 1.0, 0.8249)
# Primaries in D50's light, as profiles store them.
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SWAPPED = (SRGB[2], SRGB[0], SRGB[1])  # red means blue, green red, blue green


def fixed(*values):
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def tag_xyz(values):
    return b"XYZ \0\0\0\0" + fixed(*values)


def tag_text(text):
    ascii_ = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(ascii_)) + ascii_ + bytes(78)


def curve_gamma(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def curve_srgb():
    """A parametric curve of type 3."""
    return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(space, tags, kind=b"mntr", pcs=b"XYZ ", version=0x02400000):
    tags = {b"desc": tag_text("a test"), b"wtpt": tag_xyz(D50), b"cprt": b"text\0\0\0\0none\0", **tags}
    at, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"test", version, kind, space, pcs)
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*D50)
    return head.ljust(128, b"\0") + table + data


def rgb(primaries, curve):
    names = zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries)
    return profile(b"RGB ", {**{n: tag_xyz(v) for n, v in names}, **{n: curve for n in (b"rTRC", b"gTRC", b"bTRC")}})


def grey(curve):
    return profile(b"GRAY", {b"kTRC": curve})


def table(space, channels, colour, kind=b"prtr", grid=2):
    """Tables only: colour(channel values 0..1) -> L, a, b, at each point of the grid."""
    points = b""
    for i in range(grid**channels):
        at = [i // grid ** (channels - 1 - c) % grid / (grid - 1) for c in range(channels)]
        L, a, b = colour(at)
        points += bytes((round(L * 2.55), round(a) + 128, round(b) + 128))
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((channels, 3, grid, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return profile(space, {b"A2B0": lut + ramp * channels + points + ramp * 3}, kind, b"Lab ")


def cmyk():
    """Inks that are not those of the plain formula: each darkens by a share of its own and has a hue."""
    return table(b"CMYK", 4, lambda v: (100 * (1 - 0.3 * v[0]) * (1 - 0.4 * v[1]) * (1 - 0.1 * v[2]) * (1 - 0.9 * v[3]),
                                        (-40 * v[0] + 70 * v[1]) * (1 - v[3]), (-45 * v[0] + 80 * v[2]) * (1 - v[3])))
