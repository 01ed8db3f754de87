"""EXIF, XMP and IPTC made by hand: with all that must not leave, each marked by a word that can be searched for."""

import struct

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
ARTIST, COPYRIGHT, SOFTWARE, ORIENTATION = 0x013B, 0x8298, 0x0131, 0x0112
SECRETS = {"place": b"PLACE-LATITUDE", "thumbnail": b"THUMBNAIL-PIXELS", "maker": b"MAKER-NOTES", "slack": b"SLACK-BYTES",
           "xmp place": b"exif:GPSLatitude", "xmp thumbnail": b"XMPTHUMBNAIL"}


class Tiff:
    """A block in either byte order; directories are lists of (tag, type, value)."""

    def __init__(self, order):
        self.order = order
        self.data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0))

    def pack(self, kind, value):
        if kind == ASCII:
            return value + b"\0", len(value) + 1
        if kind == UNDEFINED:
            return value, len(value)
        values = value if isinstance(value, (list, tuple)) else [value]
        letter = {SHORT: "H", LONG: "I", RATIONAL: "I"}[kind]
        count = len(values) // (2 if kind == RATIONAL else 1)
        return struct.pack(f"{self.order}{len(values)}{letter}", *values), count

    def add(self, entries, following=0):
        """Appends a directory, returns where it is."""
        packed = [(tag, kind, *self.pack(kind, value)) for tag, kind, value in sorted(entries)]
        offsets = []
        for _, _, value, _ in packed:
            offsets.append(len(self.data))
            self.data += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
        at = len(self.data)
        self.data += struct.pack(self.order + "H", len(packed))
        for (tag, kind, value, count), offset in zip(packed, offsets):
            self.data += struct.pack(self.order + "HHI", tag, kind, count)
            self.data += struct.pack(self.order + "I", offset) if len(value) > 4 else value.ljust(4, b"\0")
        self.data += struct.pack(self.order + "I", following)
        return at

    def first(self, at):
        self.data[4:8] = struct.pack(self.order + "I", at)
        return bytes(self.data)


def exif(order="<", orientation=6, rights=True):
    t = Tiff(order)
    t.data += SECRETS["slack"] + b"."
    thumbnail = len(t.data)
    t.data += SECRETS["thumbnail"]
    second = t.add([(0x0103, SHORT, 6), (0x0201, LONG, thumbnail), (0x0202, LONG, len(SECRETS["thumbnail"]))])
    place = t.add([(1, ASCII, b"N"), (2, RATIONAL, [48, 1, 8, 1, 0, 1]), (0x1B, UNDEFINED, SECRETS["place"])])
    camera = t.add([(0x829A, RATIONAL, [1, 250]), (0xA001, SHORT, 65535), (0xA002, LONG, 4000), (0xA003, SHORT, 3000),
                    (0x927C, UNDEFINED, SECRETS["maker"]), (0x9003, ASCII, b"2024:05:06 07:08:09")])
    entries = [(0x010F, ASCII, b"Maker of cameras"), (ORIENTATION, SHORT, orientation), (0x0100, LONG, 4000),
               (0x0101, LONG, 3000), (SOFTWARE, ASCII, b"a program"), (0x8769, LONG, camera), (0x8825, LONG, place)]
    if rights:
        entries += [(ARTIST, ASCII, b"Ann Example"), (COPYRIGHT, ASCII, b"(c) 2024 Ann Example")]
    return t.first(t.add(entries, second))


def xmp(rights=b"XMP owner &amp; heirs"):
    return (b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>'
            b'<rdf:Description tiff:Orientation="6" exif:PixelXDimension="4000" exif:GPSLatitude="48,8N">'
            b"<exif:PixelYDimension>3000</exif:PixelYDimension>"
            b"<xmp:Thumbnails><rdf:Alt><rdf:li>XMPTHUMBNAIL</rdf:li></rdf:Alt></xmp:Thumbnails>"
            b'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">' + rights + b"</rdf:li></rdf:Alt></dc:rights>"
            b"</rdf:Description></rdf:RDF></x:xmpmeta>")


def dataset(number, value):
    return struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value


def iptc():
    return dataset(80, b"IPTC byline") + dataset(116, b"IPTC copyright!") + dataset(202, SECRETS["thumbnail"])


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def into_jpeg(jpeg, exif_=None, xmp_=None, iptc_=None):
    """A JPEG with these blocks behind its SOI."""
    out = jpeg[:2]
    if exif_:
        out += segment(0xE1, b"Exif\0\0" + exif_)
    if xmp_:
        out += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_)
    if iptc_:
        pad = b"\0" * (len(iptc_) % 2)
        resources = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 20) + SECRETS["thumbnail"].ljust(20, b".")
        out += segment(0xED, b"Photoshop 3.0\0" + resources + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc_)) +
                       iptc_ + pad)
    return out + jpeg[2:]


def into_png(png, exif_=None, xmp_=None, compressed=False):
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    out = b""
    if exif_:
        out += chunk(b"eXIf", exif_)
    if xmp_:
        text = zlib.compress(xmp_) if compressed else xmp_
        out += chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes((compressed, 0)) + b"\0\0" + text)
    return png[:33] + out + png[33:]
