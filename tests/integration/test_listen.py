"""Every way to come by a listening socket, each with the real program that hands it over, up to a picture and a clean end:
unix sockets with mode and group, TCP of both families, systemd-socket-activate, spawn-fcgi, and a bare descriptor 0."""

import io
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from conftest import BUILD, TOP, Server, free_port, kill_session, session_processes, wait_until
from fcgi_client import Client
from samples import encoded, scene
from systemd_box import as_root

PIXPOOL = BUILD / "pixpool"
KEYS = {"PIXPOOL_WORKERS": "1", "PIXPOOL_GRACE": "2s"}
WORDS = ("--workers=1", "--grace=2s")


@pytest.fixture(scope="module")
def body():
    return encoded(scene((120, 80)), "JPEG")


@pytest.fixture
def dir():
    """Short, for sockets, and open to everybody, so that only the socket's own rights count."""
    with tempfile.TemporaryDirectory(prefix="pixpool-") as dir:
        os.chmod(dir, 0o755)
        yield Path(dir)


def ask(address, body):
    """The status of an upload, whose result has to be a picture; 0 while nobody listens."""
    try:
        with Client(address, timeout=20) as c:
            answer = c.ask("/api/images/process?w=30", "POST", body, CONTENT_TYPE="image/jpeg")
    except OSError:
        return 0
    if answer.status == 200:
        assert Image.open(io.BytesIO(answer.body)).size == (30, 20)
    return answer.status


def serves(address, body):
    return wait_until(lambda: ask(address, body) == 200, 20)


def family_or_none(host):
    """Not every machine has IPv6."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.bind((host, 0))
    except OSError:
        return None
    return host


HOSTS = [host for host in ("127.0.0.1", "::1") if family_or_none(host)]


def bracketed(host):
    return f"[{host}]" if ":" in host else host


@pytest.mark.parametrize("host", HOSTS)
def test_tcp(dir, body, host):
    port = free_port()
    p = Server([PIXPOOL, "serve", f"--listen={bracketed(host)}:{port}", *WORDS], dir / "log")
    assert serves((host, port), body), p.log()
    if host == "127.0.0.1":
        assert ask(("127.0.0.2", port), body) == 0, "on one address, not on all"
    assert p.stop() == 0, p.log()


@as_root
def test_a_socket_for_a_group(dir, body):
    """Members of the group may connect, others may not."""
    path = dir / "s"
    p = Server([PIXPOOL, "serve", f"--listen=unix:{path}", "--socket_mode=0660", "--socket_group=www-data", *WORDS],
               dir / "log")
    assert serves(path, body), p.log()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"

    def as_user(user, *groups):
        return subprocess.run(["setpriv", f"--reuid={user}", *groups, "--clear-groups", sys.executable, "-c", connect],
                              capture_output=True, timeout=20).returncode

    assert as_user("www-data", "--regid=www-data") == 0
    assert as_user("nobody", "--regid=www-data") == 0
    assert as_user("nobody", "--regid=nogroup") != 0
    assert p.stop() == 0 and not path.exists()


@pytest.mark.parametrize("where", ["unix", *HOSTS])
def test_systemd_socket_activate(dir, body, where):
    """It starts pixpool at the first connection, which waits meanwhile; the address of the configuration is not used."""
    address = dir / "s" if where == "unix" else (where, free_port())
    listen = str(address) if where == "unix" else f"{bracketed(where)}:{address[1]}"
    p = Server(["systemd-socket-activate", f"--listen={listen}", PIXPOOL, "serve", "--listen=unix:/nowhere/at/all", *WORDS],
               dir / "log")
    assert wait_until(lambda: "Listening on" in p.log(), 20), p.log()
    assert len(session_processes(p.pid)) == 1, "not before somebody comes"
    assert ask(address, body) == 200, p.log()
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: "event=generation" in p.log(), 20), p.log()
    assert ask(address, body) == 200
    assert p.stop() == 0, p.log()
    if where == "unix":
        assert address.exists(), "it is not pixpool's to remove"


@pytest.mark.parametrize("where", ["unix", *HOSTS])
def test_spawn_fcgi(dir, body, where):
    """As lighttpd's users know it: in the background, its pid in a file, and without words for the program."""
    address = dir / "s" if where == "unix" else (where, free_port())
    place = ["-s", address] if where == "unix" else ["-a", where, "-p", str(address[1])]
    p = subprocess.run(["spawn-fcgi", *place, "-P", dir / "pid", "--", PIXPOOL], env={**os.environ, **KEYS},
                       capture_output=True, text=True, timeout=20)
    assert p.returncode == 0, p.stdout + p.stderr
    pid = int((dir / "pid").read_text())
    try:
        assert serves(address, body)
        os.kill(pid, signal.SIGHUP)
        assert serves(address, body)
    finally:
        os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: not session_processes(pid), 10)


@as_root
def test_spawn_fcgi_as_another_user(dir, body):
    """The socket is root's to make and www-data's to use, the program runs as nobody."""
    program = dir / "pixpool"
    program.write_bytes(PIXPOOL.read_bytes())  # the checkout may lie where nobody else comes
    program.chmod(0o755)
    p = Server(["spawn-fcgi", "-n", "-s", dir / "s", "-M", "0660", "-U", "www-data", "-u", "nobody", "-g", "nogroup", "--",
                program], dir / "log", **KEYS)
    assert serves(dir / "s", body), p.log()
    assert {os.stat(f"/proc/{pid}").st_uid for pid in session_processes(p.pid)} <= {0, 65534}
    owner = Path(f"/proc/{p.pid}/status").read_text().split("Uid:\t")[1].split("\t")[0]
    assert owner == "65534"
    assert p.stop() == 0, p.log()


@pytest.mark.parametrize("words", [(), ("serve", "--listen=fd:0", *WORDS)])
def test_descriptor_0(dir, body, words):
    """As mod_fcgid and inetd's like hand it over; the log goes on to descriptor 2."""
    with socket.socket(socket.AF_UNIX) as listening, open(dir / "log", "wb") as log:
        listening.bind(str(dir / "s"))
        listening.listen(8)
        p = subprocess.Popen([PIXPOOL, *words], stdin=listening, stdout=log, stderr=log, env={**os.environ, **KEYS},
                             start_new_session=True)
    try:
        assert serves(dir / "s", body), (dir / "log").read_text()
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0
        assert "event=serving" in (dir / "log").read_text()
    finally:
        kill_session(p.pid)
        p.wait()


def test_the_examples_agree_on_one_socket():
    """Whoever pastes the lines for his server and starts the units finds them talking to each other."""
    unit = (TOP / "conf/systemd/pixpool.socket").read_text()
    path = unit.split("ListenStream=")[1].split("\n")[0]
    for example in ("conf/nginx/pixpool.conf", "conf/apache/pixpool.conf", "conf/lighttpd/pixpool.conf",
                    "conf/caddy/Caddyfile", "conf/pixpool.conf"):
        assert path in (TOP / example).read_text(), example
