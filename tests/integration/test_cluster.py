"""conf/nginx/cluster.conf in front of two nodes. `make test-cluster` runs the same tests on three hosts."""

import io
import os
import select
import shutil
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from PIL import Image

from client import http, multipart, raw_socket
from cluster_hosts import HOSTS, TOKEN, Cluster, Loopback, Namespaces, Node
from conftest import TOP, wait_until
from fcgi_client import request
from samples import encoded

ROUNDS, LOAD = (3, 300) if HOSTS else (1, 60)  # deaths, and requests between them
SOURCES = [f"photo{i}.jpg" for i in range(12)]
PLACES = 3  # of a narrow node: one worker, a queue of two
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def hosts():
    h = Namespaces() if HOSTS else Loopback()
    yield h
    h.close()


@pytest.fixture(scope="module")
def root(sample_images, tmp_path_factory):
    root = shutil.copytree(sample_images, tmp_path_factory.mktemp("cluster") / "images")
    for name in SOURCES:
        shutil.copy(root / "sub/deep/leaf.jpg", root / name)
    return root


@pytest.fixture
def start_cluster(hosts, root, tmp_path):
    """A cluster; the keys are pixpool's. addresses, changed: see Cluster."""
    with ExitStack() as stack:

        def start(addresses={}, changed=str, **keys):
            keys = {"image_root": root, "workers": 1, "deadline": "120s", "grace": "20s", **keys}
            nodes = {}
            for name in ("a", "b"):
                nodes[name] = Node(name, hosts, tmp_path, keys)
                stack.callback(nodes[name].stop)
            c = Cluster(hosts, tmp_path, nodes, addresses, changed)
            stack.callback(c.stop)
            return c

        yield start


@pytest.fixture
def roomy(start_cluster):
    """Nodes that never refuse."""
    return start_cluster(queue=200)


@pytest.fixture
def narrow(start_cluster):
    """Nodes with three places each."""
    return start_cluster(queue=PLACES - 1)


def post(c, path, body, headers={}, kind="image/jpeg"):
    return http("POST", f"{c.url}/api/images/{path}", body, {"Content-Type": kind, **TOKEN, **headers})


def batch(files):
    return multipart([("file", data, f"{i}.jpg", "image/jpeg") for i, data in enumerate(files)])


def size(answer):
    assert answer.status == 200, (answer.status, answer.body[:300])
    im = Image.open(io.BytesIO(answer.body))
    im.load()
    return im.size


def sums(c, what):
    return sum(what(n) for n in c.nodes.values())


def answers(c, route):
    """Of both nodes together, by status."""
    return sum((Counter(n.requests(route)) for n in c.nodes.values()), Counter())


def full(node):
    return node.value('pixpool_workers{state="busy"}') == 1 and \
        node.value('pixpool_queue_depth{lane="interactive"}') == PLACES - 1


@contextmanager
def filled(*nodes):
    """All places of these taken by work that does not end."""
    with ExitStack() as stack:
        for node in nodes:
            for i in range(PLACES):
                stack.enter_context(node.connect()).send(request(f"/img/photo.jpg?x-test=hang&v={i}"))
            assert wait_until(lambda: full(node), 20), node.ask("/metrics").body.decode()
        yield
    for node in nodes:
        assert wait_until(lambda: node.value("pixpool_connections") == 1, 20), "only the one that asks is left"


# Who gets what.


def test_a_source_stays_on_its_node(roomy):
    """Whatever is made of it, and in both forms of the URL."""
    homes = {}
    for name in SOURCES:
        counts = lambda: Counter({n: node.requests("img").get(200, 0) for n, node in roomy.nodes.items()})
        before = counts()
        for path in (f"{name}?w=20", f"{name}?w=30&h=9", f"w=40/{name}", f"w=50,fit=cover/{name}", f"v=1/{name}?w=8"):
            size(http("GET", f"{roomy.url}/img/{path}"))
        assert wait_until(lambda: counts().total() == before.total() + 5, 5), "counted after the answer"
        homes[name] = counts() - before
        assert list(homes[name].values()) == [5], (name, homes[name])
    assert set().union(*homes.values()) == set(roomy.nodes), f"one node has them all: {homes}"


def test_uploads_are_spread(roomy):
    photo = (roomy.nodes["a"].keys["image_root"] / "photo.jpg").read_bytes()
    for i in range(6):
        assert size(post(roomy, "process?w=30", photo)) == (30, 20)
    assert wait_until(lambda: [n.requests("process") for n in roomy.nodes.values()] == [{200: 3}, {200: 3}], 5)


# A full node.


def test_a_full_node_passes_on_what_it_refuses(narrow):
    photo = (narrow.nodes["a"].keys["image_root"] / "photo.jpg").read_bytes()
    a, b = narrow.nodes.values()
    with filled(a):
        for i, name in enumerate(SOURCES):
            size(http("GET", f"{narrow.url}/img/{name}?w={30 + i}"))
        for i in range(6):
            assert size(post(narrow, "process?w=30", photo)) == (30, 20)
        assert post(narrow, "renditions", photo).status == 200
        assert post(narrow, "renditions", photo).status == 200
        refused = a.value('pixpool_rejected_total{reason="queue"}') + a.value('pixpool_rejected_total{reason="uploads"}')
    assert {"img": a.requests("img").get(200), "process": a.requests("process").get(200)} == {"img": None, "process": None}
    assert wait_until(lambda: (b.requests("img"), b.requests("process")) == ({200: 12}, {200: 6}), 5)
    assert wait_until(lambda: len(narrow.tries()) == 20, 20)
    moved = [t for t in narrow.tries() if len(t) > 1]
    assert moved and all(t == ["503", "200"] for t in moved) and len(moved) == refused, (moved, refused)


def test_a_large_upload_to_a_full_node_too(narrow):
    """Refused while most of it is on its way."""
    noise = encoded(Image.frombytes("RGB", (1900, 1900), os.urandom(1900 * 1900 * 3)), compress_level=0)
    a, b = narrow.nodes.values()
    with filled(a):
        for i in range(4):
            assert size(post(narrow, "process?w=30", noise, kind="image/png")) == (30, 30)
    assert wait_until(lambda: b.requests("process") == {200: 4}, 5)
    with filled(a, b):
        for i in range(4):
            assert post(narrow, "process?w=30", noise, kind="image/png").status == 503


def test_where_all_are_full_the_client_is_told(narrow):
    with filled(*narrow.nodes.values()):
        answer = http("GET", f"{narrow.url}/img/photo.jpg?w=33")
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) >= 1
    size(http("GET", f"{narrow.url}/img/photo.jpg?w=33"))
    assert wait_until(lambda: narrow.tries() == [["503", "503"], ["200"]], 20), narrow.tries()


def test_the_two_take_as_many_as_the_two_have_places(narrow):
    """Twenty at once that do not end: the places of both are filled, all others are refused by both."""
    sockets = []
    for i in range(20):
        s = raw_socket(narrow.url)
        s.sendall(f"GET /img/photo.jpg?x-test=hang&v={i} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        sockets.append(s)
    told = []
    while len(told) < 20 - 2 * PLACES:
        ready, _, _ = select.select([s for s in sockets if s not in told], [], [], 20)
        assert ready, f"{len(told)} answers, {20 - 2 * PLACES} are due"
        told += ready
    assert all(s.recv(4096).startswith(b"HTTP/1.1 503") for s in told)
    assert all(full(n) for n in narrow.nodes.values()) and len(told) == 20 - 2 * PLACES
    for s in sockets:
        s.close()
    assert sums(narrow, lambda n: n.requests("img").get(503, 0)) >= 2 * len(told)


def test_what_clients_saw_is_what_the_nodes_counted(narrow):
    """More at once than there are places: served and refused by the two add up to what came out in front."""
    urls = [f"{narrow.url}/img/photo.jpg?w={600 + i}&format=webp" for i in range(LOAD)]
    with ThreadPoolExecutor(16) as ex:
        seen = Counter(a.status for a in ex.map(lambda u: http("GET", u), urls))
    assert set(seen) <= {200, 503} and seen.total() == LOAD and seen[200] > 0
    assert wait_until(lambda: len(narrow.tries()) == LOAD, 20)
    tried = Counter(status for t in narrow.tries() for status in t)
    counted = answers(narrow, "img")
    assert (counted[200], counted[503]) == (seen[200], tried["503"]), (counted, seen, tried)
    assert all(t == ["503", "503"] for t in narrow.tries() if t[-1] == "503"), "who is refused was refused by both"
    assert all(n.requests("img").get(200, 0) > 0 for n in narrow.nodes.values()), "both work"


def test_a_cache_in_front(start_cluster, tmp_path):
    """cached.conf's lines in cluster.conf's /img/, as docs/growing.md tells."""
    cached = (TOP / "conf/nginx/cached.conf").read_text().replace("/var/cache/nginx/pixpool", str(tmp_path / "cache"))
    before, after = cached.split("server {")[0], cached.split("fastcgi_pass unix:/run/pixpool/pixpool.sock;")[1]
    lines = after[: after.index("    }\n")]
    asks = "fastcgi_pass pixpool_by_source;"
    c = start_cluster(changed=lambda text: before + text.replace(asks, asks + lines), queue=PLACES - 1)
    kept = lambda url: wait_until(lambda: http("GET", url).headers["X-Cache"] == "HIT", 5)
    urls = [f"{c.url}/img/{name}?w=34" for name in SOURCES]
    a, b = c.nodes.values()
    with filled(a):  # what then comes from the second node, nginx before 1.23 does not keep
        assert [http("GET", url + "0").status for url in urls] == [200] * len(SOURCES)
    assert all(kept(url) for url in urls)
    with filled(a, b):
        assert all(kept(url) for url in urls) and http("GET", urls[0] + "5").status == 503


# Jobs.


def test_jobs_are_found_on_their_node(roomy):
    photo = (roomy.nodes["a"].keys["image_root"] / "photo.jpg").read_bytes()
    form, kind = batch([photo, photo])
    jobs = []
    for i in range(4):
        for path, body, type in ((f"batch?w={30 + i}", form, kind), (f"renditions?q={50 + i}", photo, "image/jpeg")):
            taken = post(roomy, path, body, ASYNC, type)
            assert taken.status == 202, taken.body
            jobs.append(taken.headers["Location"])
    assert {j.split("/")[-1].split("-")[0] for j in jobs} == {"a", "b"}
    for job in jobs:
        state = lambda: http("GET", roomy.url + job, headers=TOKEN).json()
        assert wait_until(lambda: state().get("state") == "done", 20), state()
        for item in state()["items"]:
            size(http("GET", roomy.url + item["url"], headers=TOKEN))
    assert http("DELETE", roomy.url + jobs[0], headers=TOKEN).status == 204
    assert http("GET", roomy.url + jobs[0], headers=TOKEN).json()["state"] == "cancelled"
    for nobody in ("c-" + "A" * 22, "a-" + "A" * 22, "x"):
        answer = http("GET", f"{roomy.url}/api/jobs/{nobody}", headers=TOKEN)
        assert answer.status == 404 and answer.headers["Content-Type"] == "application/problem+json"


# Nodes that die.


class Load:
    """GETs and uploads until told to stop."""

    def __init__(self, c):
        self.c, self.stopping, self.got, self.lock = c, threading.Event(), Counter(), threading.Lock()
        self.photo = (c.nodes["a"].keys["image_root"] / "photo.jpg").read_bytes()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(6)]
        for t in self.threads:
            t.start()

    def run(self, seed):
        i = 0
        while not self.stopping.is_set():
            i += 1
            try:
                if (i + seed) % 2:
                    answer = http("GET", f"{self.c.url}/img/{SOURCES[i % 12]}?w=300&v={seed}.{i}")
                else:
                    answer = post(self.c, f"process?w={200 + i % 50}", self.photo)
                # All of it: Content-Length is checked by the client, the rest by the decoder.
                key = answer.status if answer.status != 200 or size(answer)[0] >= 200 else "picture"
            except Exception as e:
                key = repr(e)
            with self.lock:
                self.got[key] += 1

    def more(self, n):
        """Waits for n further answers."""
        until = self.got.total() + n
        assert wait_until(lambda: self.got.total() >= until, 120), self.got

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()
        return dict(self.got)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_node_that_goes_loses_nothing(roomy, how):
    """Killed with all its processes, or told to end; comes back, and is used again."""
    load = Load(roomy)
    try:
        for _ in range(ROUNDS):
            for node in roomy.nodes.values():
                load.more(LOAD // 2)
                node.end(signal.Signals[how])
                load.more(LOAD // 2)
                node.start()
        load.more(LOAD)
    finally:
        got = load.stop()
    assert set(got) == {200}, got
    assert all(n.requests("img").get(200) and n.requests("process").get(200) for n in roomy.nodes.values())


@contextmanager
def deadly(host):
    """(address, the requests it got) of a server that dies with each of them."""
    deaths = []
    with socket.create_server((host, 0)) as s:

        def die():
            while True:
                try:
                    connection, _ = s.accept()
                except OSError:
                    return
                deaths.append(connection.recv(65536))
                connection.close()

        killer = threading.Thread(target=die)
        killer.start()
        try:
            yield "%s:%d" % s.getsockname(), deaths
        finally:
            s.shutdown(socket.SHUT_RDWR)
            killer.join()


def test_what_leaves_something_behind_is_not_repeated(start_cluster, hosts):
    """Where a node dies with every request it is given, uploads that only compute go on to the other; jobs do not."""
    with deadly(hosts.outside()) as (address, deaths):
        c = start_cluster({"a": address}, queue=50)
        photo = (c.nodes["a"].keys["image_root"] / "photo.jpg").read_bytes()
        for path in ("process?w=30", "renditions?w=30", "info"):
            for i in range(4):
                assert post(c, path, photo).status == 200
        assert len(deaths) >= 6
        for path, headers in (("renditions?q=71", ASYNC), ("renditions?store=1&q=72", {}), ("renditions?store", {})):
            before = len(deaths)
            statuses = Counter(post(c, path, photo, headers).status for i in range(4))
            assert statuses[502] == len(deaths) - before > 0, (path, statuses)


if HOSTS:

    def test_a_host_that_is_silent(roomy, hosts):
        """Switched off: nothing refuses, so that nginx has to give up waiting for a connection."""
        photo = (roomy.nodes["a"].keys["image_root"] / "photo.jpg").read_bytes()
        hosts.power("a", False)
        try:
            with ThreadPoolExecutor(12) as ex:
                gets = ex.map(lambda n: http("GET", f"{roomy.url}/img/{n}?w=31"), SOURCES)
                posts = ex.map(lambda i: post(roomy, "process?w=31", photo), range(6))
                jobs = ex.map(lambda i: post(roomy, f"renditions?q={60 + i}", photo, ASYNC), range(4))
                assert [a.status for a in (*gets, *posts, *jobs)] == [200] * 18 + [202] * 4
            assert wait_until(lambda: len(roomy.tries()) == 22, 20)
            tries = {tuple(t) for t in roomy.tries()}
            assert ("504", "200") in tries and tries <= {("200",), ("202",), ("504", "200"), ("504", "202")}, tries
        finally:
            hosts.power("a", True)
        b = roomy.nodes["b"]
        assert (b.requests("img"), b.requests("process")) == ({200: 12}, {200: 6})


def test_what_nodes_tell_is_seen_in_front(roomy):
    for name in roomy.nodes:
        assert http("GET", f"{roomy.url}/nodes/{name}/readyz").status == 200
        assert b"pixpool_requests_total" in http("GET", f"{roomy.url}/nodes/{name}/metrics").body
        assert http("GET", f"{roomy.url}/nodes/{name}/status.json").json()["config"]["node_name"] == name
    assert http("GET", f"{roomy.url}/nodes/c/metrics").status == 404
    assert "[warn]" not in roomy.complaints()
