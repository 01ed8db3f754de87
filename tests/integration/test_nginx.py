"""conf/nginx/pixpool.conf, the lines the README tells people to paste, in a server block of an ordinary site."""

import io

import pytest
from PIL import Image

from client import http
from conftest import TOP
from samples import encoded
from site_conf import run_site

# A site with a rule for images of its own, as many have: it must not take /img/*.jpg away from pixpool.
SITE = """
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
    run_site(p, SITE % {"dir": p.dir})
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
