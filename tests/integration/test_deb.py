"""`make deb`: lintian's opinion, and a life of the package under a real systemd: installed, serving behind the restrictions
of its unit, upgraded under way, removed, purged, and nothing left of it."""

import io
import os
import re
import subprocess
import threading

import pytest
from PIL import Image

from client import fcgi_status
from conftest import BUILD, TOP, wait_until
from fcgi_client import Client, request
from samples import encoded, scene
from systemd_box import Box, as_root

pytestmark = pytest.mark.skipif(any(s in os.environ.get("PIXPOOL_BUILD", "") for s in ("asan", "tsan")),
                                reason="left out: a sanitizer needs what the unit takes away")

SOCKET = "run/pixpool/pixpool.sock"
UNITS = ("pixpool.socket", "pixpool.service")


@pytest.fixture(scope="module")
def deb():
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    p = subprocess.run(["make", "--no-print-directory", f"BUILD={BUILD}", "deb"], cwd=TOP, env=env, capture_output=True,
                       text=True, timeout=300)
    assert p.returncode == 0, p.stdout + p.stderr
    return BUILD / "deb" / re.search(r"pixpool_\S+\.deb$", p.stdout, re.M).group(0)


def field(deb, name):
    return subprocess.check_output(["dpkg-deb", "--field", deb, name], text=True).strip()


def test_lintian_is_content(deb):
    changes = list(deb.parent.glob("*.changes"))
    p = subprocess.run(["lintian", "--allow-root", "--pedantic", *changes], capture_output=True,
                       text=True, timeout=200)
    assert p.returncode == 0 and p.stdout.strip() == "", p.stdout + p.stderr


def test_what_it_says_of_itself(deb):
    version = subprocess.check_output([BUILD / "pixpool", "--version"], text=True).split()[0].split("/")[1]
    assert field(deb, "Version") == version
    needed = subprocess.check_output(["readelf", "-d", BUILD / "pixpool"], text=True)
    for library in re.findall(r"\[lib([a-z0-9]+)", needed):
        if library not in ("m",):
            assert library.rstrip("0123456789") in field(deb, "Depends"), library
    listed = subprocess.check_output(["dpkg-deb", "--contents", deb], text=True)
    for path in ("usr/bin/pixpool", "etc/pixpool/pixpool.conf", "usr/share/man/man1/pixpool.1.gz",
                 "usr/share/man/man5/pixpool.conf.5.gz", "usr/share/bash-completion/completions/pixpool",
                 "lib/systemd/system/pixpool.service", "lib/systemd/system/pixpool.socket"):
        assert f" ./{path}\n" in listed
    assert subprocess.check_output(["dpkg-deb", "--info", deb, "conffiles"], text=True) == "/etc/pixpool/pixpool.conf\n"


@pytest.fixture(scope="module")
def box():
    box = Box()
    try:
        yield box
    finally:
        box.stop()


def traces(box):
    """All that a package could leave behind, but for what dpkg, its helpers and the journal note for themselves."""
    noted = re.compile(r"\w+ /(var/lib/(dpkg|systemd|apt)|var/log|var/cache/(man|ldconfig|debconf))(/|$)|"
                       r"\w+ /etc/(\.pwd\.lock|.*-)$|.*/__pycache__")
    users = box.run("getent", "passwd").stdout + box.run("getent", "group").stdout
    helpers = box.run("find", "/var/lib/systemd", "/run", "/tmp", "-name", "*pixpool*").stdout
    return {c for c in box.changes() if not noted.match(c)} | set(users.split("\n")) | set(helpers.split("\n"))


def socket_of(box):
    return box.root / SOCKET


def status(box, uri="/readyz"):
    try:
        return fcgi_status(socket_of(box), uri)
    except OSError as e:
        return str(e)


def active(box, unit="pixpool.service"):
    return box.run("systemctl", "is-active", unit, check=False).stdout.strip()


@pytest.fixture(scope="module")
def installed(box, deb):
    """The box with the package in it, and what there was before."""
    before = traces(box)
    (box.root / "tmp/package").write_bytes(deb.read_bytes())
    box.run("dpkg", "--install", "/tmp/package")
    return box, before


@as_root
def test_it_serves_once_it_is_installed(installed):
    box, _ = installed
    assert [active(box, unit) for unit in UNITS] == ["active", "active"], box.journal("pixpool.service")
    assert status(box) == 200, box.journal("pixpool.service")
    stat = box.run("stat", "-c", "%U %G %a", f"/{SOCKET}").stdout
    assert stat == "root www-data 660\n"
    # The whole sandbox, within all that the unit takes away.
    assert re.search(r'sandbox="limits, no-new-privs,( landlock v\d+,)? seccomp"', box.journal("pixpool.service"))
    users = set(box.run("ps", "-o", "user:20=", "-C", "pixpool-spawner").stdout.split())
    assert users == {"pixpool"}, users


@as_root
def test_a_picture_through_the_socket(installed):
    """Uploaded, and from a folder that the configuration names after a reload; what the service may write it can."""
    box, _ = installed
    photo = encoded(scene((300, 200)), "JPEG")
    with Client(socket_of(box)) as c:
        c.send(request("/api/images/process?w=60&format=png", "POST", photo, CONTENT_TYPE="image/jpeg"))
        answer = c.read_response()
    assert answer.status == 200 and Image.open(io.BytesIO(answer.body)).size == (60, 40)
    (box.root / "srv/images").mkdir()
    (box.root / "srv/images/a.jpg").write_bytes(photo)
    box.run("touch", "-d", "yesterday", "/srv/images/a.jpg")  # one that may still be being written is not kept
    for key, value in {"image_root": "/srv/images", "cache_dir": "/var/cache/pixpool", "spool_dir": "/var/lib/pixpool"}.items():
        box.run("sed", "-i", f"s|^{key} =.*|{key} = {value}|", "/etc/pixpool/pixpool.conf")
    assert status(box, "/img/a.jpg?w=50") == 404
    box.run("systemctl", "reload", "pixpool.service")
    assert wait_until(lambda: status(box, "/img/a.jpg?w=50") == 200, 20, 0.1), box.journal("pixpool.service")
    for expected in "miss", "hit":
        with Client(socket_of(box)) as c:
            c.send(request("/img/a.jpg?w=50"))
            assert c.read_response().headers["x-cache"] == expected, box.journal("pixpool.service")
    with Client(socket_of(box)) as c:
        c.send(request("/api/images/renditions", "POST", photo, CONTENT_TYPE="image/jpeg",
                       HTTP_PREFER="respond-async"))
        assert c.read_response().status == 202


@as_root
def test_the_service_may_do_no_more_than_it_needs(installed):
    """The unit's walls, seen from within: its processes in their namespaces."""
    box, _ = installed
    pid = box.run("systemctl", "show", "-P", "MainPID", "pixpool.service").stdout.strip()
    inside = ["nsenter", f"--target={pid}", "--mount", "--net", "--root"]
    assert box.run(*inside, "touch", "/usr/x", check=False).returncode != 0
    assert box.run(*inside, "touch", "/var/lib/pixpool/x", "/var/cache/pixpool/x", "/tmp/x").returncode == 0
    assert not (box.root / "tmp/x").exists(), "a /tmp of its own"
    for kind in "net", "user", "mnt":
        ours, its = (box.run("readlink", f"/proc/{p}/ns/{kind}").stdout for p in (1, pid))
        assert ours != its, kind
    caps = box.run("grep", "-E", "^(CapBnd|CapEff|NoNewPrivs|Seccomp):", f"/proc/{pid}/status").stdout
    assert re.sub(r"\s+", " ", caps) == "CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 "


class Stream:
    """Requests, one after the other, while something happens."""

    def __init__(self, box):
        self.box, self.answers, self.over = box, [], threading.Event()
        self.thread = threading.Thread(target=self.ask, daemon=True)

    def ask(self):
        while not self.over.is_set():
            self.answers.append(status(self.box, "/img/a.jpg?w=40"))

    def __enter__(self):
        self.thread.start()
        assert wait_until(lambda: len(self.answers) > 3, 20)
        return self

    def __exit__(self, kind, *_):
        seen = len(self.answers)
        goes_on = wait_until(lambda: len(self.answers) > seen + 3, 20)
        self.over.set()
        self.thread.join()
        assert goes_on or kind, self.answers[-5:]


@as_root
def test_a_restart_loses_no_request(installed):
    box, _ = installed
    with Stream(box) as stream:
        box.run("systemctl", "restart", "pixpool.service")
    assert set(stream.answers) == {200}, stream.answers


@as_root
def test_an_upgrade_keeps_the_configuration_and_loses_no_request(installed):
    box, _ = installed
    old = box.run("systemctl", "show", "-P", "MainPID", "pixpool.service").stdout
    with Stream(box) as stream:
        box.run("dpkg", "--install", "/tmp/package")
    assert set(stream.answers) == {200}, stream.answers
    assert box.run("systemctl", "show", "-P", "MainPID", "pixpool.service").stdout != old
    assert "image_root = /srv/images" in (box.root / "etc/pixpool/pixpool.conf").read_text()


@as_root
def test_it_becomes_the_installed_binary_in_place(installed):
    """pixpool upgrade's signal: the unit's walls leave room for the new program, and systemd sees the same process."""
    box, _ = installed
    old = box.run("systemctl", "show", "-P", "MainPID", "pixpool.service").stdout
    before = box.journal("pixpool.service").count("event=generation")
    with Stream(box) as stream:
        box.run("systemctl", "kill", "--signal=USR2", "--kill-whom=main", "pixpool.service")
        assert wait_until(lambda: "event=upgraded" in box.journal("pixpool.service"), 20, 0.1)
        assert wait_until(lambda: box.journal("pixpool.service").count("event=generation") > before, 20, 0.1)
    assert set(stream.answers) == {200}, stream.answers
    assert box.run("systemctl", "show", "-P", "MainPID", "pixpool.service").stdout == old and active(box) == "active"


@as_root
def test_one_that_dies_is_started_again(installed):
    box, _ = installed

    def main():
        return box.run("systemctl", "show", "-P", "MainPID", "pixpool.service").stdout.strip()

    pid = main()
    box.run("kill", "-KILL", pid)
    assert wait_until(lambda: main() != pid, 20), "systemd has noticed"
    assert status(box, "/img/a.jpg?w=30") == 200, "the socket holds requests meanwhile"
    assert wait_until(lambda: active(box) == "active" and main() not in ("0", pid), 20, 0.1)


@as_root
def test_one_that_stands_still_is_started_again(installed):
    box, _ = installed
    (box.root / "run/systemd/system/pixpool.service.d").mkdir(parents=True)
    (box.root / "run/systemd/system/pixpool.service.d/w.conf").write_text("[Service]\nWatchdogSec=2\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "pixpool.service")
    box.run("pkill", "-STOP", "-f", "^pixpool: gateway")
    said = "Watchdog timeout"
    assert wait_until(lambda: said in box.journal("pixpool.service"), 30, 0.2), box.journal("pixpool.service")
    assert wait_until(lambda: status(box) == 200, 20, 0.1)
    box.run("rm", "-r", "/run/systemd/system/pixpool.service.d")
    box.run("systemctl", "daemon-reload")


@as_root
def test_a_node_of_several_listens_on_a_port(installed):
    """docs/growing.md: what listens is the socket unit, and the service's walls let through what it hands over."""
    box, _ = installed
    drop_in = box.root / "run/systemd/system/pixpool.socket.d"
    drop_in.mkdir(parents=True)
    (drop_in / "node.conf").write_text("[Socket]\nListenStream=\nListenStream=127.0.0.1:9000\n")
    ask = ("from fcgi_client import Client; c = Client(('127.0.0.1', 9000)); "
           "print(c.ask('/readyz').status)")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "stop", *UNITS)
    box.run("systemctl", "start", *UNITS)
    p = subprocess.run(["nsenter", "--net", f"--target={box.pid()}", "/usr/bin/python3", "-B", "-c", ask], text=True,
                       env={"PYTHONPATH": f"{TOP}/tests:{TOP}/tests/integration"}, capture_output=True, timeout=30)
    assert p.stdout == "200\n", p.stdout + p.stderr + box.journal("pixpool.service")
    box.run("rm", "-r", "/run/systemd/system/pixpool.socket.d")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", *UNITS)


@as_root
def test_removed_and_purged_it_leaves_nothing(installed):
    box, before = installed
    box.run("dpkg", "--remove", "pixpool")
    assert [active(box, unit) for unit in UNITS] == ["inactive", "inactive"]
    assert (box.root / "etc/pixpool/pixpool.conf").exists() and not (box.root / "usr/bin/pixpool").exists()
    assert box.run("pgrep", "-f", "pixpool: ", check=False).stdout == ""
    box.run("dpkg", "--purge", "pixpool")
    box.run("rm", "-r", "/tmp/package", "/srv/images")
    assert traces(box) ^ before == set()
