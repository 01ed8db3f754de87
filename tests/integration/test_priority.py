"""Workers stand back behind the gateway: within what the kernel weighs together by their nice and, where that is a
session, by that of their own one (autogroup). Kernels without autogroups have no such thing; workers start all the same."""

import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from client import fcgi_status, http
from conftest import BUILD, SANITIZER_OPTIONS, Server, command_line, kill, session_processes, wait_until

AUTOGROUPS = Path("/proc/self/autogroup").exists()
NOBODY, AS_NOBODY = 65534, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def session_nice(pid):
    """Of its autogroup; None: it has ended, or there are none."""
    try:
        found = re.search(r"nice (-?\d+)", Path(f"/proc/{pid}/autogroup").read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


def stands_back(pid, nice):
    """Whether it leads its session, and both have this nice."""
    try:
        leads, own = os.getsid(pid) == pid, os.getpriority(os.PRIO_PROCESS, pid)
    except ProcessLookupError:
        return False
    return leads and own >= nice and session_nice(pid) == (nice if AUTOGROUPS else None)


def all_stand_back(workers, n, nice):
    return wait_until(lambda: len(workers()) == n and all(stands_back(pid, nice) for pid in workers()), 20)


def open_files(pid):
    return [os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir()]


def told(workers):
    return [(pid, os.getsid(pid), os.getpriority(os.PRIO_PROCESS, pid), session_nice(pid)) for pid in workers()]


@pytest.mark.parametrize("nice", [0, 7])
def test_each_worker_leads_a_session_of_that_nice(start_pixpool, nice):
    p = start_pixpool(workers=2, worker_nice=nice)
    assert http("GET", f"{p.url}/img/photo.jpg?w=12").status == 200
    assert all_stand_back(p.workers, 2, nice), told(p.workers)
    assert os.getsid(p.gateway()) == p.pid
    assert session_nice(p.gateway()) == (0 if AUTOGROUPS else None), "it is the workers that stand back"


def test_so_does_the_next_one_and_all_of_another_configuration(start_pixpool, tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("workers = 2\nworker_nice = 10\n")
    p = start_pixpool(nginx=False, config=conf)
    assert all_stand_back(p.workers, 2, 10), told(p.workers)
    victim = p.workers()[0]
    kill(victim)
    assert wait_until(lambda: victim not in p.workers(), 20)
    assert all_stand_back(p.workers, 2, 10), told(p.workers)
    conf.write_text("workers = 2\nworker_nice = 5\n")
    os.kill(p.pid, signal.SIGHUP)
    assert all_stand_back(p.workers, 2, 5), told(p.workers)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_first_process_is_theirs(start_pixpool, end):
    p = start_pixpool(nginx=False, workers=2)
    workers = p.workers()
    os.kill(p.pid, end)
    p.server.process.wait(20)
    assert wait_until(lambda: not any(command_line(pid).startswith("pixpool: ") for pid in workers), 20)


def test_an_ordinary_user_gets_it_for_many_at_once(sample_images):
    """Though the kernel lets it change ten sessions a second, and a worker hides its /proc from its own user."""
    with tempfile.TemporaryDirectory(prefix="pixpool-") as dir:
        dir = Path(dir)
        program = shutil.copy(BUILD / "pixpool", dir)  # the checkout may lie where nobody else comes
        if os.geteuid() == 0:
            os.chown(dir, NOBODY, NOBODY)
        p = Server([*(AS_NOBODY if os.geteuid() == 0 else []), program, "serve", "--workers=6", f"--listen=unix:{dir}/s",
                    "--grace=2s"], dir / "log", ASAN_OPTIONS=SANITIZER_OPTIONS, TSAN_OPTIONS=SANITIZER_OPTIONS)
        workers = lambda: [pid for pid in session_processes(p.pid) if command_line(pid).startswith("pixpool: worker")]
        try:
            assert all_stand_back(workers, 6, 10), told(workers)
            assert wait_until(lambda: not any("autogroup" in path for path in open_files(p.pid)), 5), "nothing is left to do"
            assert fcgi_status(dir / "s", "/readyz") == 200
        finally:
            status = p.stop()
        assert status == 0, p.log()
