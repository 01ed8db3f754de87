"""A worker's memory between jobs: warm, and little of it."""

import os
import re
from pathlib import Path

import pytest

from client import http, http_on, http_open
from samples import encoded, scene

pytestmark = pytest.mark.skipif(any(s in os.environ.get("PIXPOOL_BUILD", "") for s in ("asan", "tsan")),
                                reason="left out: a sanitizer's allocator keeps freed memory away from its next use")
JOBS = 100


def photo(size, **save):
    return encoded(scene(size), "JPEG", quality=90, **save)


def minor_faults(pid):
    """Of the process so far: field 10 of its stat, counted from the name, which may hold anything."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[7])


def peak_kb(pid):
    """Most of its memory that ever was resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(workers=1, worker_jobs=100000)


@pytest.mark.parametrize(("save", "query"), [
    pytest.param({}, "w=800", id="baseline"),
    pytest.param({"progressive": True}, "w=800", id="progressive"),
    pytest.param({}, "w=800&format=png", id="png out"),
])
def test_like_jobs_fault_no_pages_in(server, save, query):
    body = photo((2400, 1600), **save)
    connection = http_open(server.url)

    def jobs(n):
        for _ in range(n):
            answer = http_on(connection, "POST", f"{server.url}/api/images/process?{query}", body,
                             {"Content-Type": "image/jpeg"})
            assert answer.status == 200, answer.body[:400]

    jobs(10)
    (worker,) = server.workers()
    before = minor_faults(worker)
    jobs(JOBS)
    assert server.workers() == [worker]
    faults = minor_faults(worker) - before
    assert faults <= JOBS, f"{faults / JOBS} page faults a job"


def test_a_large_photograph_takes_little_memory(start_pixpool):
    """24 megapixels, baseline: rows, not frames. The peak holds program, libraries and the mailbox's used pages, too."""
    server = start_pixpool(workers=1)
    body = photo((6000, 4000))
    answer = http("POST", f"{server.url}/api/images/process?w=800", body=body, headers={"Content-Type": "image/jpeg"})
    assert answer.status == 200, answer.body[:400]
    assert peak_kb(server.workers()[0]) - len(body) / 1024 <= 8 * 1024
