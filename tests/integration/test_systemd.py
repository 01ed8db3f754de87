"""The units of conf/systemd, and what pixpool tells a service manager; the test plays the manager's part: it binds the
socket, hands it over, and listens to what is said."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from client import fcgi_status
from conftest import BUILD, TOP, command_line, session_processes, wait_until

UNITS = TOP / "conf/systemd"


@pytest.fixture
def manager(tmp_path_factory):
    """A directory with the listening socket `s` and the notify socket `n`."""
    with tempfile.TemporaryDirectory(prefix="pixpool-") as dir:
        dir = Path(dir)
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            listening.bind(str(dir / "s"))
            listening.listen(64)
            notify.bind(str(dir / "n"))
            notify.settimeout(20)
            yield dir, listening, notify


def start(dir, listening, *keys, notify_socket=None, watchdog_us=0):
    """As systemd starts it: the socket is descriptor 3, and meant for the pid that serves, as is the watchdog."""
    fd = listening.fileno()
    watchdog = f"WATCHDOG_PID=$$ WATCHDOG_USEC={watchdog_us}" if watchdog_us else ""
    shell = f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ {watchdog} exec "$@"'
    env = {**os.environ, "NOTIFY_SOCKET": notify_socket or str(dir / "n")}
    log = open(dir / "log", "ab")
    return subprocess.Popen(["bash", "-c", shell, "bash", BUILD / "pixpool", "serve", *keys], env=env, pass_fds=[fd],
                            stdout=log, stderr=log, start_new_session=True)


def hear(notify):
    return dict(line.split("=", 1) for line in notify.recv(4096).decode().splitlines())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_life(manager, workers):
    dir, listening, notify = manager
    conf = dir / "c.conf"
    conf.write_text(f"workers = {workers}\ngrace = 2s\n")
    p = start(dir, listening, f"--config={conf}")
    try:
        assert hear(notify) == {"READY": "1"}
        assert fcgi_status(dir / "s", "/readyz") == 200  # at once: that is what READY says
        os.kill(p.pid, signal.SIGHUP)
        reloading = hear(notify)
        assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
        assert hear(notify) == {"READY": "1"}
        assert fcgi_status(dir / "s", "/readyz") == 200
        conf.write_text("nonsense = 1\n")
        os.kill(p.pid, signal.SIGHUP)  # not even begun: nothing is said
        assert wait_until(lambda: "the old configuration stays" in (dir / "log").read_text(), 10)
        os.kill(p.pid, signal.SIGTERM)
        assert hear(notify) == {"STOPPING": "1"}
        assert p.wait(20) == 0
    finally:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
    assert (dir / "s").exists(), "the socket is systemd's"


def next_beat(notify, seconds):
    """How long until WATCHDOG=1 is heard; None: it is not."""
    begin = time.monotonic()
    while (left := begin + seconds - time.monotonic()) > 0:
        notify.settimeout(left)
        try:
            if hear(notify) == {"WATCHDOG": "1"}:
                return time.monotonic() - begin
        except TimeoutError:
            pass
    return None


def test_the_watchdog_hears_a_heart_that_beats(manager):
    """Through a reload and idle times; not from a gateway that stands still, and again when that one is replaced."""
    dir, listening, notify = manager
    conf = dir / "c.conf"
    conf.write_text("workers = 1\ngrace = 1s\n")
    p = start(dir, listening, f"--config={conf}", watchdog_us=2_000_000)
    try:
        assert next_beat(notify, 10) is not None
        assert wait_until(lambda: fcgi_status(dir / "s", "/readyz") == 200, 20)
        assert all(next_beat(notify, 4) is not None for _ in range(3))
        os.kill(p.pid, signal.SIGHUP)
        assert wait_until(lambda: "event=generation" in (dir / "log").read_text(), 10)
        assert all(next_beat(notify, 4) is not None for _ in range(3))
        gateway = [q for q in session_processes(p.pid) if command_line(q) == "pixpool: gateway"][-1]
        os.kill(gateway, signal.SIGSTOP)
        last = None
        while next_beat(notify, 2) is not None:  # those that were on their way, and half the time that is allowed
            last = (last or 0) + 1
            assert last < 10, "it stands still, and is said to be alive"
        os.kill(gateway, signal.SIGKILL)
        assert next_beat(notify, 10) is not None
        assert fcgi_status(dir / "s", "/readyz", 20) in (200, 503)
    finally:
        os.kill(p.pid, signal.SIGTERM)
        assert p.wait(20) == 0


def test_a_watchdog_of_another_process_is_not_fed(manager):
    dir, listening, notify = manager
    os.environ["WATCHDOG_USEC"], os.environ["WATCHDOG_PID"] = "400000", "1"
    try:
        p = start(dir, listening, "--workers=1", "--grace=1s")
    finally:
        del os.environ["WATCHDOG_USEC"], os.environ["WATCHDOG_PID"]
    try:
        assert hear(notify) == {"READY": "1"}
        assert next_beat(notify, 1) is None
    finally:
        os.kill(p.pid, signal.SIGTERM)
        assert p.wait(20) == 0


def test_an_abstract_notify_socket(manager):
    dir, listening, _ = manager
    name = f"pixpool-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("\0" + name)
        notify.settimeout(20)
        p = start(dir, listening, "--workers=1", "--grace=1s", notify_socket="@" + name)
        try:
            assert hear(notify) == {"READY": "1"}
        finally:
            os.kill(p.pid, signal.SIGTERM)
            p.wait(20)


def test_a_broken_notify_socket_is_no_harm(manager):
    dir, listening, _ = manager
    p = start(dir, listening, "--workers=1", "--grace=1s", notify_socket="/nonexistent/" + "x" * 200)
    try:
        assert wait_until(lambda: fcgi_status(dir / "s", "/readyz") == 200, 20)
    finally:
        os.kill(p.pid, signal.SIGTERM)
        assert p.wait(20) == 0


def test_the_units_are_sound(tmp_path):
    for unit in ("pixpool.service", "pixpool.socket"):
        text = (UNITS / unit).read_text().replace("/usr/bin/pixpool", str(BUILD / "pixpool"))
        (tmp_path / unit).write_text(text)
    p = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "pixpool.service", tmp_path / "pixpool.socket"],
                       capture_output=True, text=True, timeout=60)
    complaints = [line for line in p.stderr.splitlines() if "pixpool" in line]
    assert complaints == [] and p.returncode == 0, p.stderr


def test_the_service_is_as_closed_as_its_comment_says():
    p = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / "pixpool.service"],
                       capture_output=True, text=True, timeout=60)
    score = re.search(r"Overall exposure level for pixpool.service: (\d+\.\d)", p.stdout).group(1)
    assert float(score) <= float(re.search(r"to 10: (\d+\.\d),", (UNITS / "pixpool.service").read_text()).group(1))


def test_the_units_agree_with_pixpool():
    """Paths, and the time to stop: longer than pixpool's own patience, or systemd would cut requests off."""
    socket_unit, service = ((UNITS / f"pixpool.{u}").read_text() for u in ("socket", "service"))
    sample = (TOP / "conf/pixpool.conf").read_text()
    path = re.search(r"^ListenStream=(.*)$", socket_unit, re.M).group(1)
    assert f"listen = unix:{path}\n" in sample
    grace = int(re.search(r"^grace = (\d+)s$", sample, re.M).group(1))
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", service, re.M).group(1)) > grace + 10
    assert re.search(r"^Type=notify$", service, re.M)
