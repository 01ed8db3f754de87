"""What code that took over a worker could do: nothing, and the log tells what it tried."""

import os
import re
from pathlib import Path

import pytest

from client import http
from conftest import wait_until

pytestmark = pytest.mark.skipif(any(s in os.environ.get("PIXPOOL_BUILD", "") for s in ("asan", "tsan")),
                                reason="left out: a sanitizer opens files, maps terabytes and starts threads of its own")

CALLS = {"open": "openat", "socket": "socket", "exec": "execve", "ptrace": "ptrace", "fork": "clone", "kill": "kill"}


@pytest.fixture(scope="module")
def strict(start_pixpool_module):
    return start_pixpool_module(test_build=True, workers=1)


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def deaths(p, signal):
    return len(re.findall(rf'event=death who="worker 1" pid=\d+ signal={signal}', p.log()))


@pytest.mark.parametrize("op", CALLS)
def test_a_worker_that_reaches_out_ends_and_is_named(strict, op):
    before = deaths(strict, "SIGSYS")
    a = http("GET", f"{strict.url}/img/photo.jpg?w=10&x-test={op}")
    assert (a.status, a.json()["code"]) == (500, "worker")
    assert wait_until(lambda: f"event=sandbox call={CALLS[op]} " in strict.log(), 10)
    assert wait_until(lambda: deaths(strict, "SIGSYS") == before + 1, 10)
    assert http("GET", f"{strict.url}/img/photo.jpg?w=11").status == 200


def test_an_abort_is_still_an_abort(strict):
    """What a codec's assert or glibc's heap check does, and no less clear in the log for the sandbox."""
    assert http("GET", f"{strict.url}/img/photo.jpg?w=10&x-test=crash").status == 500
    assert wait_until(lambda: deaths(strict, "SIGSEGV") == 1, 10)


def test_what_is_active_is_in_the_log_and_in_the_kernel(strict):
    assert http("GET", f"{strict.url}/img/photo.jpg?w=12").status == 200
    assert re.search(r'event=born sandbox="limits, no-new-privs(, landlock v\d+)?, seccomp"', strict.log())
    worker, gateway = status_of(strict.workers()[0]), status_of(strict.gateway())
    assert (worker["NoNewPrivs"], worker["Seccomp"]) == ("1", "2")
    assert (gateway["NoNewPrivs"], gateway["Seccomp"]) == ("1", "2")
    told = http("GET", f"{strict.url}/status.json").json()["sandbox"]
    assert told["workers"] in strict.log()
    assert (told["mode"], told["seccomp"], told["no_new_privs"], told["limits"]) == ("strict", "enforced", True, "all")
    assert told["gateway"] == "seccomp" and (told["landlock"] > 0) == ("landlock" in told["workers"])
    limits = Path(f"/proc/{strict.workers()[0]}/limits").read_text()
    assert re.search(r"Max open files\s+0 ", limits) and re.search(r"Max processes\s+0 ", limits)
    assert re.search(r"Max cpu time\s+3600 ", limits)


def test_limits_alone_stop_descriptors_and_leave_the_rest_to_the_log(start_pixpool):
    p = start_pixpool(test_build=True, workers=1, sandbox="limits")
    for op in ("open", "socket"):
        a = http("GET", f"{p.url}/img/photo.jpg?w=10&x-test={op}")
        assert (a.status, a.json()["detail"]) == (400, "the sandbox let it pass: -1")
    assert 'sandbox="limits, no-new-privs, seccomp in log mode"' in p.log()
    told = http("GET", f"{p.url}/status.json").json()["sandbox"]
    assert (told["mode"], told["seccomp"], told["landlock"]) == ("limits", "log", 0)


def test_off_is_off(start_pixpool):
    p = start_pixpool(test_build=True, workers=1, sandbox="off")
    a = http("GET", f"{p.url}/img/photo.jpg?w=10&x-test=open")
    assert a.status == 400 and int(a.json()["detail"].split()[-1]) >= 3
    assert status_of(p.workers()[0])["Seccomp"] == "0" == status_of(p.gateway())["Seccomp"]
    told = http("GET", f"{p.url}/status.json").json()["sandbox"]
    assert (told["mode"], told["workers"], told["seccomp"], told["gateway"]) == ("off", "off", "none", "off")
