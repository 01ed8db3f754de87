"""conf/nginx/pixpool.conf, the lines the README tells people to paste, in a server block of an ordinary site."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from client import http
from conftest import TOP, free_port
from samples import encoded
from site_conf import run_site

# A site with a rule for images of its own, as many have: it must not take /img/*.jpg away from pixpool.
SITE = """
        listen 127.0.0.1:%(h2)d http2;
        root %(dir)s/site;
        location ~* \\.(jpg|png|webp)$ { expires 30d; }
        include %(dir)s/pixpool.conf;
"""


@pytest.fixture(scope="module")
def site(start_pixpool_module):
    p = start_pixpool_module(nginx=False)
    (p.dir / "site").mkdir()
    (p.dir / "site" / "own.jpg").write_bytes(b"the site's own file")
    shipped = (TOP / "conf/nginx/pixpool.conf").read_text()
    assert "unix:/run/pixpool/pixpool.sock" in shipped
    # nginx looks for `include fastcgi_params` beside its configuration file, which is /etc/nginx on a real one.
    text = shipped.replace("/run/pixpool/pixpool.sock", str(p.socket))
    text = text.replace("include fastcgi_params", "include /etc/nginx/fastcgi_params")
    (p.dir / "pixpool.conf").write_text(text)
    p.h2 = free_port()
    run_site(p, SITE % {"dir": p.dir, "h2": p.h2})
    return p


def size(answer):
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body)).size


def test_get(site):
    assert size(http("GET", f"{site.url}/img/photo.jpg?w=60")) == (60, 40)


def test_the_site_s_own_files_stay_its_own(site):
    assert http("GET", f"{site.url}/own.jpg").body == b"the site's own file"


def test_upload(site):
    body = (site.root / "photo.jpg").read_bytes()
    a = http("POST", f"{site.url}/api/images/process?w=60", body, {"Content-Type": "image/jpeg"})
    assert size(a) == (60, 40)


def test_an_upload_beyond_nginx_s_usual_megabyte(site):
    noise = encoded(Image.effect_noise((1600, 1200), 90))
    assert len(noise) > 1 << 20
    a = http("POST", f"{site.url}/api/images/process?w=80", noise, {"Content-Type": "image/png"})
    assert size(a) == (80, 60)


def test_an_error_is_pixpool_s_own(site):
    a = http("GET", f"{site.url}/img/photo.jpg?w=zero")
    assert (a.status, a.headers["Content-Type"]) == (400, "application/problem+json")


def test_who_is_refused_before_all_is_sent_hears_that_the_connection_closes(site):
    """Or the client would send its next request into it."""
    a = http("POST", f"{site.url}/api/images/process?w=60", bytes(5_000_000), {"Content-Type": "image/png"})
    assert a.status == 415 and a.headers["Connection"] == "close"


def h2(site, path, file, zeros):
    out = subprocess.check_output(["node", Path(__file__).parent / "h2_client.mjs", f"http://127.0.0.1:{site.h2}{path}",
                                   file, str(zeros)], text=True, timeout=60)
    return json.loads(out)


def test_an_upload_over_http2(site):
    """With a window that is worth the name: nginx would have 64 KB on its way at one time."""
    got = h2(site, "/api/images/process?w=60", site.root / "plain.png", 3_000_000)
    assert got["status"] == 200 and got["bytes"] > 100
    assert got["window"] == 512 << 10


def test_an_upload_that_is_refused_over_http2(site):
    assert h2(site, "/api/images/process?w=60", "/dev/null", 5_000_000)["status"] == 415
