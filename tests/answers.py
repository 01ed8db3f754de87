"""What every answer has to be, whatever it was asked for."""

import io

from PIL import Image


def image(answer):
    """The image of an answer, after checking that its headers tell the truth."""
    assert answer.status == 200, answer.body[:400]
    im = Image.open(io.BytesIO(answer.body))
    im.load()
    assert answer.headers["Content-Type"] == Image.MIME[im.format]
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert (int(answer.headers["X-Image-Width"]), int(answer.headers["X-Image-Height"])) == im.size
    return im


def problem(answer, status, code, option=None):
    """The problem document of an answer, after checking its shape."""
    assert answer.status == status, answer.body[:400]
    assert answer.headers["Content-Type"] == "application/problem+json"
    p = answer.json()
    assert p["status"] == status and p["code"] == code, p
    assert p.get("option") == option, p
    assert p["error"] == p["detail"] and p["type"] and p["title"]
    assert p["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == ("max-age=10" if status == 404 else "no-store")
    return p
