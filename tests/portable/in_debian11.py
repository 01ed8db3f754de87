"""The result of `make portable`, unpacked into a Debian 11 that has nothing else: pictures on the command line, a service
with its workers behind their walls, and that nothing of it is asked of the system but libc. `make test-portable` runs it:

    ROOT=a Debian 11   ARCHIVE=pixpool-VERSION-ARCH.tar.gz
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from client import fcgi_status
from conftest import Server, command_line, kill_session, session_processes, wait_until
from fcgi_client import Client, request
from samples import scene

ROOT, ARCHIVE = Path(os.environ["ROOT"]), os.environ["ARCHIVE"]
FOLDER = Path("/srv/any place/pixpool")  # wherever somebody puts it
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
# It has no /proc of its own outside of the namespace that this makes.
ENTER = ["unshare", "--mount", "--", "sh", "-c",
         'mount -t proc proc "$1/proc" && root=$1 && shift && exec chroot "$root" "$@"', "sh", str(ROOT)]


def at(path):
    return ROOT / str(path).lstrip("/")


@pytest.fixture(scope="module", autouse=True)
def unpacked():
    shutil.rmtree(at("/srv/any place"), ignore_errors=True)
    at(FOLDER).parent.mkdir()
    subprocess.run(["tar", "-xzf", ARCHIVE, "-C", at(FOLDER).parent], check=True)
    shutil.copy(FONT, at(FOLDER))
    scene((600, 400)).save(at(FOLDER) / "photo.jpg", quality=90)
    yield
    shutil.rmtree(at("/srv/any place"))


def run(*words, check=True):
    p = subprocess.run([*ENTER, str(FOLDER / "pixpool"), *map(str, words)], capture_output=True, text=True, timeout=120)
    assert not check or p.returncode == 0, p.stdout + p.stderr
    return p


def test_it_needs_nothing_but_libc():
    """By what the loader finds there, and by the youngest symbols it asks for."""
    p = subprocess.run([*ENTER, "/bin/sh", "-c", f'ldd "{FOLDER}/pixpool"'], capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and "libc.so" in p.stdout, p.stdout + p.stderr
    for line in p.stdout.splitlines():
        assert "not found" not in line, line
        own = f"{FOLDER}/lib/" in line
        assert own or re.search(r"linux-vdso|ld-linux|/lib(c|m|pthread|dl|rt)\.so", line), line
    files = [at(FOLDER) / "pixpool", *(at(FOLDER) / "lib").iterdir()]
    symbols = subprocess.check_output(["objdump", "-T", *files], text=True)
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_(\d+\.\d+)", symbols)}
    assert max(versions) <= (2, 31), max(versions)


def test_licences_of_all_that_is_inside():
    licences = {p.name for p in (at(FOLDER) / "licences").iterdir()}
    for part in ("jpeg", "png", "webp", "lcms", "fcgi", "jansson", "sodium", "inih", "freetype", "harfbuzz",
                 "fribidi", "graphite", "seccomp", "isal", "deflate", "zlib", "brotli"):
        assert any(part in name for name in licences), part
        assert part.replace("isal", "libisal") in (at(FOLDER) / "SOURCES").read_text(), part
    # What is under the LGPL can be replaced: it is a file of its own.
    own = {p.name.split(".")[0] for p in (at(FOLDER) / "lib").iterdir()}
    assert {"libfribidi", "libgraphite2", "libseccomp"} <= own
    assert (at(FOLDER) / "LICENSE").exists() and "Independent JPEG Group" in (at(FOLDER) / "THIRD-PARTY.md").read_text()


@pytest.mark.parametrize("name, kind", [("o.jpg", "JPEG"), ("o.png", "PNG"), ("o.webp", "WEBP")])
def test_pictures(name, kind):
    run("process", FOLDER / "photo.jpg", "-o", FOLDER / name, "w=90,sharp=", "--quiet")
    image = Image.open(at(FOLDER) / name)
    image.load()
    assert image.format == kind and image.size == (90, 60)


def test_text():
    """FreeType, HarfBuzz and FriBidi."""
    words = [FOLDER / "photo.jpg", "-o", FOLDER / "t.png"]
    run("process", *words, "w=300,txt=Hello \u05e9\u05dc\u05d5\u05dd,txt-pos=center,txt-color=f00", "--quiet",
        f"--font.sans={FOLDER}/DejaVuSans.ttf")
    written = Image.open(at(FOLDER) / "t.png").convert("RGB")
    assert sum(1 for r, g, b in written.getdata() if r > 200 and g < 60 and b < 60) > 100


def test_it_says_what_it_is():
    assert "pixpool/" in run("--version").stdout
    assert "pixpool can serve" in run("check", f"--listen=unix:{FOLDER}/s").stdout


@pytest.fixture
def service():
    """As nobody, below the folder: nothing of root's is needed."""
    log = at(FOLDER) / "log"
    log.unlink(missing_ok=True)
    os.chmod(at(FOLDER), 0o777)
    p = Server([*ENTER, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", FOLDER / "pixpool", "serve",
                f"--listen=unix:{FOLDER}/s", f"--image_root={FOLDER}", "--workers=2", "--grace=2s"], log)
    assert wait_until(lambda: (at(FOLDER) / "s").exists() and fcgi_status(at(FOLDER) / "s", "/readyz") == 200, 20), p.log()
    yield p
    assert p.stop() == 0, p.log()


def upload(uri, body, **more):
    with Client(at(FOLDER) / "s", timeout=30) as c:
        c.send(request(uri, "POST", body, CONTENT_TYPE="image/jpeg", **more))
        return c.read_response()


def test_a_service(service):
    body = (at(FOLDER) / "photo.jpg").read_bytes()
    answer = upload("/api/images/process?w=60&format=webp", body)
    assert answer.status == 200 and Image.open(io.BytesIO(answer.body)).size == (60, 40)
    assert fcgi_status(at(FOLDER) / "s", "/img/photo.jpg?w=50") == 200
    answer = upload("/api/images/renditions", body, HTTP_ACCEPT="application/zip")
    names = zipfile.ZipFile(io.BytesIO(answer.body)).namelist()
    assert answer.status == 200 and len(names) == 6, names


def test_workers_behind_their_walls(service):
    """The same as everywhere, libseccomp's filter included; and one that dies is replaced."""
    assert re.search(r'event=born sandbox="limits, no-new-privs,( landlock v\d+,)? seccomp"', service.log()), service.log()
    pids = [p for p in session_processes(service.pid) if command_line(p).startswith("pixpool: worker")]
    assert len(pids) == 2
    limits = Path(f"/proc/{pids[0]}/limits").read_text()
    for name in ("Max open files", "Max processes"):
        assert re.search(rf"^{name}\s+0\s", limits, re.M), limits
    assert re.search(r"^Max data size\s+\d+\s", limits, re.M)
    assert "Seccomp:\t2" in Path(f"/proc/{pids[0]}/status").read_text()
    os.kill(pids[0], signal.SIGSEGV)
    assert wait_until(lambda: "signal=SIGSEGV" in service.log() and service.log().count("event=born") == 3, 20)
    time.sleep(0.01)
    assert upload("/api/images/process?w=60", (at(FOLDER) / "photo.jpg").read_bytes()).status == 200


def test_below_a_web_root():
    """The program and lib/ beside pixpool.fcgi, as mod_fcgid starts it: descriptor 0 listens. The result lies where Apache
    looks for it next time."""
    web = at(FOLDER.parent / "htdocs")
    shutil.copytree(at(FOLDER) / "shared-hosting", web)
    shutil.copy(at(FOLDER) / "pixpool", web)
    shutil.copytree(at(FOLDER) / "lib", web / "lib")
    for name in ("photos", "cache"):
        (web / name).mkdir()
    shutil.copy(at(FOLDER) / "photo.jpg", web / "photos")
    os.utime(web / "photos/photo.jpg", (1e9, 1e9))  # one that may still be being written is not kept
    (web / "pixpool.fcgi").chmod(0o755)
    for path in (web, web / "cache"):
        os.chown(path, 65534, 65534)
    with socket.socket(socket.AF_UNIX) as listening, open(web / "log", "wb") as log:
        listening.bind(str(web / "s"))
        listening.listen(8)
        p = subprocess.Popen([*ENTER, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                              FOLDER.parent / "htdocs/pixpool.fcgi"], stdin=listening, stdout=log, stderr=log,
                             start_new_session=True)
    try:
        with Client(web / "s", timeout=30) as c:
            c.send(request("/photos/w=90/photo.jpg"))
            answer = c.read_response()
        assert answer.status == 200, (answer, (web / "log").read_text())
        assert Image.open(io.BytesIO(answer.body)).size == (90, 60)
        assert wait_until(lambda: (web / "cache/w=90/photo.jpg").exists(), 10), (web / "log").read_text()
        assert (web / "cache/w=90/photo.jpg").read_bytes() == answer.body
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0
    finally:
        kill_session(p.pid)
        p.wait()
