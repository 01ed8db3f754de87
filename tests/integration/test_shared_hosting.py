"""conf/shared-hosting/ as a customer uploads it: below the web root of an ordinary user, under an Apache that lets it do
what AllowOverride says and nothing else. Nothing is installed, and nothing belongs to root."""

import io
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from answers import image, problem
from client import http
from conftest import BUILD, SANITIZER, Server, command_line, free_port, kill, session_processes, wait_until
from fcgid_site import loaded

TOP = Path(__file__).resolve().parents[2]
FILES = TOP / "conf/shared-hosting"
MODULES = "mpm_event authz_core env mime dir rewrite headers fcgid"
NOBODY = 65534


class Hosting:
    """.url of the site, .web its folder. Apache's configuration is the host's and knows nothing of pixpool."""

    def __init__(self, samples, below="", script=False):
        self.dir = Path(tempfile.mkdtemp(prefix="pixpool-"))
        self.root = self.dir / "public_html"
        self.web = self.root / below
        self.upload(samples, script)
        (self.dir / "mime.types").write_text("image/jpeg jpg jpeg\nimage/png png\nimage/webp webp\ntext/html html\n")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/{below}".rstrip("/")
        argv = ["apache2", "-DFOREGROUND", "-f", self.configuration()]
        if os.getuid() == 0:
            for at in [self.dir, *self.dir.rglob("*")]:
                os.chown(at, NOBODY, NOBODY)
            argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *argv]
        self.server = Server(argv, self.dir / "apache.log")
        assert wait_until(lambda: self.answers("/"), 20), self.server.log()

    def upload(self, samples, script):
        self.web.mkdir(parents=True)
        shutil.copytree(samples, self.web / "photos")
        (self.web / "photos/folder=1").mkdir()
        shutil.copy(samples / "plain.png", self.web / "photos/folder=1/plain.png")
        shutil.copy(samples / "ein Bär & 100%.jpg", self.web / "photos/ein Bär+& mehr.jpg")
        (self.web / "cache").mkdir()
        for name in (".htaccess", "pixpool.conf") + (("pixpool.fcgi",) if script else ()):
            shutil.copy(FILES / name, self.web)
        shutil.copy(BUILD / "pixpool", self.web / ("pixpool" if script else "pixpool.fcgi"))
        (self.web / "index.html").write_text("hello")
        old = time.time() - 100  # what was written just now is not cached yet
        for at in (self.web / "photos").rglob("*"):
            os.utime(at, (old, old))

    def configuration(self):
        path = self.dir / "apache.conf"
        path.write_text(f"""{loaded(MODULES)}
ServerName localhost
Listen 127.0.0.1:{self.port}
PidFile {self.dir}/apache.pid
Mutex file:{self.dir}
DocumentRoot {self.root}
TypesConfig {self.dir}/mime.types
ErrorLog {self.dir}/error.log
FcgidIPCDir {self.dir}/ipc
FcgidProcessTableFile {self.dir}/table
FcgidMinProcessesPerClass 0
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory {self.root}>
    AllowOverride FileInfo Options=ExecCGI
    Options SymLinksIfOwnerMatch
    Require all granted
</Directory>
""")
        return path

    def answers(self, target):
        assert self.server.process.poll() is None, self.server.log()
        try:
            return http("GET", f"http://127.0.0.1:{self.port}{target}").status > 0
        except OSError:
            return False

    def get(self, target, method="GET", headers=None):
        return http(method, self.url + target, headers=headers)

    def pixpools(self):
        return [p for p in session_processes(self.server.pid) if command_line(p).startswith("pixpool: ")]

    def without_pixpool(self):
        """Ends all of them, so that whoever answers next is not one of them, or was started for it."""
        for pid in self.pixpools():
            kill(pid)
        assert wait_until(lambda: not self.pixpools(), 5)

    def stop(self):
        try:
            self.server.stop()
            assert SANITIZER.findall((self.dir / "error.log").read_text()) == []
        finally:
            shutil.rmtree(self.dir)


@pytest.fixture(scope="module")
def site(sample_images):
    s = Hosting(sample_images)
    yield s
    s.stop()


def by_pixpool(answer):
    return "X-Request-Id" in answer.headers


def test_the_first_time_pixpool_then_apache_alone(site):
    first = site.get("/photos/photo.jpg?w=300")
    assert by_pixpool(first) and image(first).size == (300, 200)
    assert wait_until(lambda: (site.web / "cache/w=300/photo.jpg").is_file(), 5)
    site.without_pixpool()
    for target in ("/photos/photo.jpg?w=300", "/photos/w=300/photo.jpg", "/cache/w=300/photo.jpg"):
        again = site.get(target)
        assert again.status == 200 and again.body == first.body and not by_pixpool(again), target
        assert again.headers["Content-Type"] == "image/jpeg"
        head = site.get(target, "HEAD")
        assert head.status == 200 and not by_pixpool(head)
        etag = again.headers["ETag"]
        assert site.get(target, headers={"If-None-Match": etag}).status == 304
    assert "max-age" in site.get("/photos/photo.jpg?w=300").headers["Cache-Control"]
    assert not site.pixpools(), "not even started"


@pytest.mark.parametrize("asked, kept, size, kind", [
    ("w=310/photo.jpg", "w=310/photo.jpg", (310, 207), "JPEG"),
    ("w=311/photo.jpg.webp", "w=311/photo.jpg.webp", (311, 207), "WEBP"),
    ("w=60,h=60,fit=cover/sub/deep/leaf.jpg", "w=60,h=60,fit=cover/sub/deep/leaf.jpg", (60, 60), "JPEG"),
    ("photo.jpg?w=60&h=60", "w=60,h=60/photo.jpg", (60, 40), "JPEG"),
    ("photo.jpg?w=60&h=60&fit=cover", "w=60,h=60,fit=cover/photo.jpg", (60, 60), "JPEG"),
    ("photo.jpg?rect=0,0,100,50&w=50&q=50&sat=-100", "rect=0,0,100,50,w=50,q=50,sat=-100/photo.jpg", (50, 25), "JPEG"),
    ("ein%20B%C3%A4r+%26%20mehr.jpg?w=30", "w=30/ein Bär+& mehr.jpg", (30, 20), "JPEG"),
    ("w=31/ein%20B%C3%A4r%2b&%20mehr.jpg", "w=31/ein Bär+& mehr.jpg", (31, 21), "JPEG"),
    ("alpha.png?w=70", "w=70/alpha.png", (70, 47), "PNG"),
])
def test_names(site, asked, kept, size, kind):
    """What is asked in either form lies in one place, from which Apache takes it for both."""
    first = site.get(f"/photos/{asked}")
    got = image(first)
    assert got.size == size and got.format == kind
    assert wait_until(lambda: (site.web / "cache" / kept).is_file(), 5), sorted((site.web / "cache").rglob("*"))
    again = site.get(f"/photos/{asked}")
    assert again.body == first.body and not by_pixpool(again)
    assert again.headers["Content-Type"] == f"image/{kind.lower()}"


def test_what_is_not_plain_is_pixpool_s_each_time(site):
    for target in ("photo.jpg?w=80&format=webp", "photo.jpg?w=80&format=auto", "photo.jpg?w=50%25", "photo.jpg?w=80&dl=1",
                   "photo.jpg?w=80&h=80&fit=cover&q=50&sat=-100", "ein%20B%C3%A4r%20%26%20100%25.jpg?w=30",
                   "w=30/ein%20B%C3%A4r%20%26%20100%25.jpg"):
        for _ in range(2):
            answer = site.get(f"/photos/{target}")
            assert answer.status == 200 and by_pixpool(answer), target


def test_a_folder_that_looks_like_options(site):
    """Encoded it is a folder, and must not be answered with what lies in the cache under that name."""
    (site.web / "cache/folder=1").mkdir()
    shutil.copy(site.web / "photos/alpha.png", site.web / "cache/folder=1/plain.png")
    original = (site.web / "photos/folder=1/plain.png").read_bytes()
    assert site.get("/photos/folder%3D1/plain.png").body == original
    assert image(site.get("/photos/folder%3D1/plain.png?w=40")).mode == "RGB"
    shutil.rmtree(site.web / "cache/folder=1")


def test_the_rest_of_the_site_stays_as_it_was(site):
    (site.web / ".well-known").mkdir()
    (site.web / ".well-known/token").write_text("for a certificate")
    assert site.get("/.well-known/token").body == b"for a certificate"
    assert site.get("/").body == b"hello" and site.get("/index.html?x=1").body == b"hello"
    original = site.get("/photos/photo.jpg")
    assert original.body == (site.web / "photos/photo.jpg").read_bytes() and not by_pixpool(original)
    assert site.get("/photos/nothing.jpg").status == 404 and not by_pixpool(site.get("/photos/nothing.jpg"))
    assert not by_pixpool(site.get("/api/images/process"))


@pytest.mark.parametrize("target", [
    "/pixpool", "/pixpool.conf", "/pixpool.conf/x.jpg", "/pixpool.slots", "/pixpool.slots/x", "/.htaccess", "/cache/.pixpool/x", "/photos/sub/.hidden.jpg?w=10",
    "/photos/sub/.hidden.jpg", "/photos/w=10/../../pixpool.conf", "/photos/w=10/%2e%2e/%2e%2e/pixpool.conf",
    "/photos/..%2f..%2fpixpool.conf?w=10", "/photos/w=10/..%2f..%2fx.jpg", "/photos//etc/passwd.jpg?w=10",
    "/photos/w=..%2f..%2f/x.jpg", "/photos/%77=10/..%5c..%5cx.jpg",
])
def test_what_is_nobody_s_business(site, target):
    before = sorted(p for p in site.dir.rglob("*") if "ipc" not in str(p))
    answer = site.get(target)
    assert answer.status in (400, 403, 404, 415), target
    assert b"slot_file" not in answer.body
    after = sorted(p for p in site.dir.rglob("*") if "ipc" not in str(p))
    assert [p for p in after if p not in before and "cache/.pixpool" not in str(p)] == []


def test_no_other_file_is_a_program(site):
    """Whatever its name: what a visitor uploads is not run."""
    (site.web / "uploads").mkdir()
    shutil.copy(site.web / "photos/photo.jpg", site.web / "uploads/photo.jpg")
    for name in ("x.fcgi.jpg", "x.fcgi", "pixpool.fcgi.jpg", "pixpool.fcgi"):
        ran = site.dir / "ran"
        script = site.web / "uploads" / name
        script.write_text(f"#!/bin/sh\ntouch {ran}\n")
        script.chmod(0o777)
        site.get(f"/uploads/{name}")
        assert not ran.exists(), name


def test_mistakes_are_explained(site):
    problem(site.get("/photos/photo.jpg?w=0"), 400, "option_range", "w")
    problem(site.get("/photos/nothing.jpg?w=10"), 404, "no_such_image")
    problem(site.get("/photos/broken/text.jpg?w=10"), 415, "format")


def test_a_changed_source_is_seen(site):
    """By pixpool at once, under another name of the same source; by Apache alone after cache_ttl, or the next sweep."""
    photo = site.web / "photos/changing.jpg"
    Image.new("RGB", (400, 200), (255, 0, 0)).save(photo)
    old = time.time() - 100
    os.utime(photo, (old, old))
    assert image(site.get("/photos/changing.jpg?w=40")).getpixel((5, 5))[0] > 200
    assert wait_until(lambda: (site.web / "cache/w=40/changing.jpg").is_file(), 5)
    Image.new("RGB", (400, 200), (0, 0, 255)).save(photo)
    os.utime(photo, (old + 50, old + 50))
    assert image(site.get("/photos/changing.jpg?w=40&format=jpeg")).getpixel((5, 5))[2] > 200, "no name: pixpool looks"


def test_many_at_once(site):
    """Many processes on one cache: every answer is whole, whoever made it."""
    statuses = []

    def ask(i):
        a = site.get(f"/photos/photo.jpg?w={200 + i % 4}")
        statuses.append(a.status)
        if a.status == 200:
            im = Image.open(io.BytesIO(a.body))  # without pixpool's headers, where Apache sent it
            im.load()
            statuses.append("whole" if im.width == 200 + i % 4 else "another")

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(statuses) <= {200, 503, "whole"} and statuses.count(200) == statuses.count("whole") >= 8


@pytest.mark.parametrize("script", [False, True])
def test_in_a_folder(sample_images, script):
    """Two lines tell where: one in each file. And with the little script in place of the program."""
    s = Hosting(sample_images, "shop", script)
    try:
        text = (s.web / ".htaccess").read_text()
        (s.web / ".htaccess").write_text(text.replace("#RewriteBase /shop/", "RewriteBase /shop/"))
        text = (s.web / "pixpool.conf").read_text()
        (s.web / "pixpool.conf").write_text(text.replace("image_url = /photos/", "image_url = /shop/photos/"))
        first = s.get("/photos/photo.jpg?w=300")
        assert by_pixpool(first) and image(first).size == (300, 200)
        assert wait_until(lambda: (s.web / "cache/w=300/photo.jpg").is_file(), 5)
        again = s.get("/photos/photo.jpg?w=300")
        assert again.body == first.body and not by_pixpool(again)
    finally:
        s.stop()
