"""SIGHUP, SIGUSR2 and SIGTERM under load, through nginx, which does not repeat anything: nothing may be lost.

The long form, `make test-reload`, does ten rounds and 20,000 requests; RELOAD_ROUNDS and RELOAD_REQUESTS say how much.
"""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from client import http, http_on, http_open
from conftest import wait_until
from fcgi_client import STDIN, Client, header, parameters, record
from metrics import value
from site_conf import run_site

ROUNDS = int(os.environ.get("RELOAD_ROUNDS", "3"))
REQUESTS = int(os.environ.get("RELOAD_REQUESTS", "600"))
NO_RETRY = """
location / {
    include /etc/nginx/fastcgi_params;
    fastcgi_pass pixpool;
    fastcgi_next_upstream off;
    fastcgi_keep_conn %s;
    fastcgi_request_buffering off;
    fastcgi_read_timeout 65s;
    client_max_body_size 64m;
}
"""
UPSTREAM = "upstream pixpool { server unix:%s max_fails=0; keepalive 8; }"


class Load:
    """Requests of all kinds until told to stop; each answer is looked at."""

    def __init__(self, p, threads=6):
        self.p, self.stopping = p, threading.Event()
        self.got, self.lock = Counter(), threading.Lock()
        self.photo = (p.root / "photo.jpg").read_bytes()
        self.threads = [threading.Thread(target=self.browse, args=(i,)) for i in range(threads)]
        self.threads += [threading.Thread(target=self.upload_slowly) for _ in range(2)]
        for t in self.threads:
            t.start()

    def note(self, status):
        with self.lock:
            self.got[status] += 1

    def total(self):
        with self.lock:
            return self.got.total()

    def browse(self, seed):
        i = 0
        connection = http_open(self.p.url)
        while not self.stopping.is_set():
            i += 1
            kind = i % 5
            try:
                if kind == 0:
                    a = http("POST", f"{self.p.url}/api/images/process?w={20 + i % 30}", self.photo,
                             {"Content-Type": "image/jpeg"})
                elif kind == 1:
                    a = http("GET", f"{self.p.url}/healthz")
                else:
                    a = http_on(connection, "GET", f"{self.p.url}/img/photo.jpg?w={30 + i % 50}&v={seed}.{i}")
                self.note(a.status)
            except OSError as e:
                connection = http_open(self.p.url)
                self.note(type(e).__name__)

    def upload_slowly(self):
        """Bodies that arrive over a second, and so over the change of generations."""

        def pieces():
            n = len(self.photo) // 10 + 1
            for at in range(0, len(self.photo), n):
                yield self.photo[at : at + n]
                time.sleep(0.1)

        while not self.stopping.is_set():
            try:
                a = http("POST", f"{self.p.url}/api/images/process?w=25", pieces(),
                         {"Content-Type": "image/jpeg", "Content-Length": str(len(self.photo))})
                self.note(a.status)
            except OSError as e:
                self.note(type(e).__name__)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()
        return dict(self.got)


def start(start_pixpool, keep="off", **keys):
    p = start_pixpool(nginx=False, workers=2, queue=128, deadline="60s", grace="20s", log="-", **keys)
    run_site(p, NO_RETRY % keep, UPSTREAM % p.socket)
    return p


def one_generation(p, old):
    found = p.with_role("gateway")
    return len(found) == 1 and found != [old]


@pytest.mark.parametrize("keep", ["off", "on"])
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGUSR2], ids=["reload", "upgrade"])
def test_no_request_is_lost(start_pixpool, how, keep):
    p = start(start_pixpool, keep)
    load = Load(p)
    try:
        for k in range(ROUNDS):
            assert wait_until(lambda: load.total() >= (k + 1) * REQUESTS // (ROUNDS + 1), 600)
            old = p.gateway()
            os.kill(p.pid, how)
            assert wait_until(lambda: one_generation(p, old), 60), p.log()[-3000:]
        assert wait_until(lambda: load.total() >= REQUESTS, 600)
    finally:
        got = load.stop()
    assert set(got) == {200}, (got, p.nginx_log()[-1500:])
    assert wait_until(lambda: len(p.workers()) == 2, 20)
    assert p.log().count("event=generation ") == ROUNDS


def children(pid):
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_request_is_not_lost_when_nginx_reads_the_farewell_late(start_pixpool):
    """It stands still meanwhile, and then sends what was asked first on the connection that it knows."""
    p = start(start_pixpool, "on")
    connection = http_open(p.url)
    assert http_on(connection, "GET", f"{p.url}/healthz").status == 200
    (worker,) = children(p.nginx.process.pid)
    os.kill(worker, signal.SIGSTOP)
    try:
        connection.request("GET", "/img/photo.jpg?w=20")
        os.kill(p.pid, signal.SIGHUP)
        assert wait_until(lambda: "event=drain " in p.log(), 30)
        time.sleep(3)  # nothing to wait for: it is a limit of our own that must not pass
    finally:
        os.kill(worker, signal.SIGCONT)
    a = connection.getresponse()
    assert a.status == 200 and a.read(), p.nginx_log()[-1500:]
    connection.close()


def test_a_reload_takes_the_file_as_it_is_now(start_pixpool, tmp_path):
    conf = tmp_path / "pixpool.conf"
    conf.write_text("maxage = 111s\n")
    p = start(start_pixpool, config=conf)
    assert http("GET", f"{p.url}/img/photo.jpg?w=20").headers["Cache-Control"] == "public, max-age=111"
    old = p.gateway()

    conf.write_text("maxage = soon\n")
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: "event=reload error=" in p.log(), 20)
    assert "pixpool.conf:1: maxage" in p.log() and "the old configuration stays" in p.log()
    assert p.gateway() == old
    assert http("GET", f"{p.url}/img/photo.jpg?w=20").headers["Cache-Control"] == "public, max-age=111"

    conf.write_text("maxage = 222s\n")
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: one_generation(p, old), 30)
    assert http("GET", f"{p.url}/img/photo.jpg?w=20").headers["Cache-Control"] == "public, max-age=222"


def test_two_generations_keep_within_the_workers_of_one_and_a_half(start_pixpool):
    """One more worker than configured while both live, so that memory_limit holds."""
    p = start_pixpool(nginx=False, test_build=True, workers=3, deadline="60s", grace="20s")
    most, done = 0, threading.Event()

    def watch():
        nonlocal most
        while not done.is_set():
            most = max(most, len(p.workers()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    old = p.gateway()
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: one_generation(p, old) and len(p.workers()) == 3, 30)
    done.set()
    watcher.join()
    assert most <= 4


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGUSR2], ids=["reload", "upgrade"])
def test_two_generations_keep_within_the_memory_of_one(start_pixpool, how):
    """What a slow upload holds in the old one is not there for the new one."""
    p = start_pixpool(workers=1, queue=16, max_body="32M", max_result="8M", worker_memory="64M", memory_limit="168M",
                      body_timeout="60s", deadline="60s", grace="60s")

    # A picture, and 25 MB that belong to nothing behind it.
    body = (p.root / "plain.png").read_bytes().ljust(25_000_000, b"x")

    def upload():  # 97 MB are left for requests, 64 fewer once there is a second worker, and this one wants 25
        return http("POST", f"{p.url}/api/images/process?w=10", body, {"Content-Type": "image/png"})

    slow = header(parameters("/api/images/process?w=10", "POST", len(body), CONTENT_TYPE="image/png"))
    assert upload().status == 200
    old = p.gateway()
    with Client(str(p.socket)) as c:
        # Enough to have its turn, which is when it takes the memory.
        c.send(slow + record(STDIN, body[:60_000]) + record(STDIN, body[60_000:120_000]))
        assert wait_until(lambda: value(p, "pixpool_inflight_bytes") >= 25e6, 20)
        os.kill(p.pid, how)
        assert wait_until(lambda: len(set(p.with_role("gateway")) - {old}) == 1, 30)
        assert wait_until(lambda: upload().status == 503, 20, 0.1)
        assert old in p.with_role("gateway"), "it still waits for the slow one"
    assert wait_until(lambda: one_generation(p, old), 30)
    assert wait_until(lambda: upload().status == 200, 20, 0.1)


def serving(p):
    """The gateway that answers who comes now."""
    return http("GET", f"{p.url}/status.json").json()["gateway"]["pid"]


def test_an_upgrade_knows_which_generation_serves(start_pixpool):
    """Also where an older one, kept by a slow upload, has its place behind a younger one: places are used again."""
    p = start(start_pixpool)
    first = p.gateway()
    os.kill(p.pid, signal.SIGUSR2)
    assert wait_until(lambda: one_generation(p, first), 20)
    png = (p.root / "plain.png").read_bytes()
    with Client(str(p.socket), timeout=30) as slow:
        slow.send(header(parameters("/api/images/process?w=9", "POST", len(png), CONTENT_TYPE="image/png")))
        slow.send(record(STDIN, png[:9]))
        seen = {first, p.gateway()}
        for _ in range(2):
            os.kill(p.pid, signal.SIGUSR2)
            assert wait_until(lambda: serving(p) not in seen, 20)
            seen.add(serving(p))
        slow.send(record(STDIN, png[9:]) + record(STDIN))
        assert slow.read_response().status == 200
    assert wait_until(lambda: len(p.with_role("gateway")) == 1, 20), "those between are gone"
    assert p.gateway() == serving(p)


def test_a_binary_that_does_not_start_changes_nothing(start_pixpool, tmp_path):
    binary = tmp_path / "pixpool"
    from conftest import BUILD

    shutil.copy(BUILD / "pixpool", binary)
    p = start(start_pixpool, binary=binary)
    old = p.gateway()
    new = tmp_path / "new"
    new.write_text("#!/bin/sh\nexit 3\n")
    new.chmod(0o755)
    new.rename(binary)
    os.kill(p.pid, signal.SIGUSR2)
    assert wait_until(lambda: "does not start: the old one goes on" in p.log(), 20)
    assert p.gateway() == old
    assert http("GET", f"{p.url}/img/photo.jpg?w=20").status == 200


def test_sigterm_finishes_what_it_was_given(start_pixpool):
    p = start(start_pixpool)
    load = Load(p)
    assert wait_until(lambda: load.total() >= 50, 60)
    before = load.total()
    p.server.process.send_signal(signal.SIGTERM)
    p.server.process.wait(30)
    accepted = load.stop()
    # Once nobody listens any more nginx says 502; whoever was in got an answer.
    assert set(accepted) <= {200, 502}, accepted
    assert accepted[200] >= before
    assert p.server.process.returncode == 0


def test_a_killed_gateway_is_back_before_anybody_gives_up(start_pixpool):
    """Whoever was inside is lost; those in the backlog are served, and nobody finds the door shut."""
    p = start(start_pixpool)
    for _ in range(5):
        old = p.gateway()
        os.kill(old, signal.SIGKILL)
        assert http("GET", f"{p.url}/img/photo.jpg?w=40").status == 200
        assert wait_until(lambda: one_generation(p, old), 10)
