"""The result cache: what a hit is and what it never is, how it stays small, and what it does when it can't."""

import os
import re
import resource
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from PIL import Image

from answers import image
from client import http
from conftest import BUILD, wait_until
from fcgi_client import Client, request
from fcgid_site import FcgidSite
from metrics import value
from test_admission import held

# What differs from one answer to the next, whoever made it.
OF_THE_REQUEST = {"date", "server", "connection", "x-request-id", "server-timing", "x-cache"}
DECODES = 'pixpool_stage_duration_seconds_count{stage="decode"}'


@pytest.fixture
def cached(start_pixpool, tmp_path):
    """A function that starts one with a cache of its own below tmp_path."""

    def start(**keys):
        dir = tmp_path / "cache"
        dir.mkdir(exist_ok=True)
        p = start_pixpool(**{"cache_dir": dir, "deadline": "60s", **keys})
        p.cache = dir
        return p

    return start


def entries(p):
    """Files that hold results."""
    return sorted(f for f in (p.cache / ".pixpool").glob("??/*"))


def size(p):
    """Bytes of all entries; one that goes meanwhile counts as gone."""
    total = 0
    for f in entries(p):
        try:
            total += f.stat().st_size
        except FileNotFoundError:
            pass
    return total


def kept(p, n=1):
    """Waits for n entries: they are written before the answer leaves, but seen from here a moment later."""
    assert wait_until(lambda: len(entries(p)) == n, 5), entries(p)
    return entries(p)


def told(answer):
    return {k.lower(): v for k, v in answer.headers.items() if k.lower() not in OF_THE_REQUEST}


def use(*files, ago):
    """As if they had last been asked for so long ago."""
    for f in files:
        os.utime(f, (time.time() - ago,) * 2)


def sweep(p, *more, status=0):
    r = subprocess.run([BUILD / "pixpool", "cache", "sweep", f"--cache_dir={p.cache}", *more], capture_output=True,
                       text=True)
    assert r.returncode == status, r.stderr
    return r.stdout + r.stderr


def test_the_second_time_no_worker_is_asked(cached):
    p = cached()
    for path in ("/img/photo.jpg?w=120&h=90&fit=cover", "/img/w=121/photo.jpg.webp", "/img/alpha.png?w=50&dl=1",
                 "/img/turned.jpg?trim=", "/img/photo.jpg?max_bytes=1024&w=400&format=png"):
        first = http("GET", f"{p.url}{path}")
        second, head = http("GET", f"{p.url}{path}"), http("HEAD", f"{p.url}{path}")
        image(first)
        assert [a.headers["X-Cache"] for a in (first, second, head)] == ["miss", "hit", "hit"]
        assert second.body == first.body and head.body == b""
        assert told(second) == told(first) == told(head)
    assert first.headers["X-Max-Bytes"] == "exceeded"
    assert value(p, DECODES) == 5


def test_the_same_said_differently_is_the_same(cached):
    p = cached()
    first = http("GET", f"{p.url}/img/w=60,h=50/photo.jpg")
    assert http("GET", f"{p.url}/img/photo.jpg?height=50&width=60&utm_source=x").headers["X-Cache"] == "hit"
    assert http("HEAD", f"{p.url}/img/photo.jpg?w=61").headers["X-Cache"] == "miss"
    assert http("GET", f"{p.url}/img/photo.jpg?w=61").headers["X-Cache"] == "miss"  # HEAD made nothing
    again = http("GET", f"{p.url}/img/w=60,h=50/photo.jpg", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_another_source_is_another_result(cached):
    p = cached()
    url, file = f"{p.url}/img/photo.jpg?w=70", p.root / "photo.jpg"
    first = http("GET", url)
    file.write_bytes((p.root / "sub/deep/leaf.jpg").read_bytes())
    os.utime(file, (1e9, 1e9))
    second = http("GET", url)
    assert second.headers["X-Cache"] == "miss" and image(second).size != image(first).size
    assert http("GET", url).headers["X-Cache"] == "hit"
    file.unlink()
    assert http("GET", url).status == 404


def test_what_was_written_this_moment_is_not_kept(cached):
    """Its time would not change if it were written again at once."""
    p = cached()
    file = p.root / "fresh.png"
    file.write_bytes((p.root / "plain.png").read_bytes())
    for _ in range(2):
        now = time.time_ns()
        os.utime(file, ns=(now, now))
        assert http("GET", f"{p.url}/img/fresh.png?w=20").headers["X-Cache"] == "miss"
    assert entries(p) == []


def test_negotiated_formats_are_not_mixed(cached):
    p = cached()
    url = f"{p.url}/img/photo.jpg?w=80&format=auto"
    for accept, kind in (("image/webp,*/*", "WEBP"), ("image/png,*/*", "JPEG")):
        answers = [http("GET", url, headers={"Accept": accept}) for _ in range(2)]
        assert [a.headers["X-Cache"] for a in answers] == ["miss", "hit"]
        assert [image(a).format for a in answers] == [kind] * 2
        assert [a.headers["Vary"] for a in answers] == ["Accept"] * 2


def test_errors_and_plans_are_not_kept(cached):
    p = cached()
    for path, status in (("/img/broken/text.jpg", 415), ("/img/photo.jpg?w=0", 400), ("/img/photo.jpg?explain=1", 200),
                         ("/img/none.jpg", 404)):
        for _ in range(2):
            a = http("GET", f"{p.url}{path}")
            assert a.status == status and a.headers["X-Cache"] in (None, "miss")
    assert entries(p) == []


def test_a_hit_needs_a_signature_as_well(cached):
    p = cached(signing_keys="a:" + "k" * 32)
    url = f"{p.url}/img/photo.jpg?w=90"

    def signed(url):
        out = subprocess.check_output([BUILD / "pixpool", "sign", "--signing_keys=a:" + "k" * 32, url], text=True)
        return out.strip()

    assert [http("GET", signed(url)).headers["X-Cache"] for _ in range(2)] == ["miss", "hit"]
    assert http("GET", url).status == 403
    soon = signed(f"{url}&expires={int(time.time()) + 2}")
    assert [http("GET", soon).status for _ in range(2)] == [200, 200]
    assert wait_until(lambda: http("GET", soon).status == 410, 10)


def test_it_outlives_the_process_and_serves_others(cached):
    p = cached()
    first = http("GET", f"{p.url}/img/photo.jpg?w=100")
    q = cached(image_root=p.root)
    second = http("GET", f"{q.url}/img/photo.jpg?w=100")
    assert (second.headers["X-Cache"], second.body) == ("hit", first.body)


def test_large_hits(cached):
    """More than one batch of records, for readers of any pace."""
    p = cached()
    Image.effect_noise((1200, 1000), 90).save(p.root / "noise.png", compress_level=1)
    os.utime(p.root / "noise.png", (1e9, 1e9))
    url = f"{p.url}/img/noise.png"
    first = http("GET", url)
    assert len(first.body) > 1 << 20
    with ThreadPoolExecutor(8) as ex:
        for a in ex.map(lambda _: http("GET", url), range(16)):
            assert (a.headers["X-Cache"], a.body) == ("hit", first.body)
    with Client(str(p.socket)) as slow:
        slow.send(request("/img/noise.png"))
        assert http("GET", url).body == first.body


def test_what_is_damaged_is_made_anew(cached):
    p = cached()
    url = f"{p.url}/img/photo.jpg?w=110"
    first = http("GET", url)
    file, = kept(p)
    whole = file.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1], b"x" + whole[1:], whole + b"x", whole[:8] + b"\xff" * 32 + whole[40:]):
        file.write_bytes(damaged)
        again = http("GET", url)
        assert (again.headers["X-Cache"], again.body) == ("miss", first.body)
        assert http("GET", url).headers["X-Cache"] == "hit"


def test_no_one_else_reads_it_and_nothing_else_is_written(cached):
    p = cached()
    http("GET", f"{p.url}/img/photo.jpg?w=110")
    file, = kept(p)
    assert file.stat().st_mode & 0o77 == 0 and (p.cache / ".pixpool").stat().st_mode & 0o77 == 0
    assert [f.name for f in p.cache.iterdir()] == [".pixpool"]
    assert list((p.cache / ".pixpool/tmp").iterdir()) == []


# Staying small.


def test_what_nobody_asks_for_goes(cached):
    p = cached(cache_ttl="1h")
    for i in range(4):
        http("GET", f"{p.url}/img/photo.jpg?w={40 + i}")
    kept(p, 4)
    use(*entries(p), ago=5000)
    assert http("GET", f"{p.url}/img/photo.jpg?w=42").headers["X-Cache"] == "hit"  # that is a use
    assert "removed 3 old, 0 stale, 0 beyond" in sweep(p, "--cache_ttl=1h")
    assert http("GET", f"{p.url}/img/photo.jpg?w=42").headers["X-Cache"] == "hit"
    assert http("GET", f"{p.url}/img/photo.jpg?w=41").headers["X-Cache"] == "miss"


def test_what_is_too_much_goes_by_last_use(cached):
    p = cached()
    names = []
    for i in range(8):
        http("GET", f"{p.url}/img/photo.jpg?w={400 + i}&format=png")
        new, = set(kept(p, i + 1)) - set(names)
        names.append(new)
    total = sum(-(-f.stat().st_size // 4096) * 4096 for f in names)
    assert total > 1 << 20
    for i, f in enumerate(names):
        use(f, ago=100 * (8 - i))
    http("GET", f"{p.url}/img/photo.jpg?w=400&format=png")  # the oldest is the youngest now
    swept = sweep(p, "--cache_size=1M")
    left = entries(p)
    gone = [i for i, f in enumerate(names) if f not in left]
    assert gone == list(range(1, 1 + len(gone))) and 0 < len(gone) < 7, swept
    assert size(p) <= 7 << 17
    assert f"{len(gone)} beyond" in swept and f"left {len(left)} of" in swept
    assert sweep(p, "--cache_size=1M").startswith("removed 0 old, 0 stale, 0 beyond")


def test_many_of_one_age_are_not_all_removed(cached):
    p = cached()
    for i in range(10):
        http("GET", f"{p.url}/img/photo.jpg?w={400 + i}&format=png")
    use(*kept(p, 10), ago=3000)
    sweep(p, "--cache_size=1M")
    assert (1 << 19) < size(p) <= 7 << 17


def test_a_running_one_keeps_itself_small(cached):
    p = cached(cache_size="1M", cache_ttl="365d")
    for i in range(30):
        http("GET", f"{p.url}/img/photo.jpg?w={300 + i}&format=png")
        assert wait_until(lambda: size(p) < 5 << 18, 10)  # the sweep has the lowest priority
    assert wait_until(lambda: size(p) <= 1 << 20, 5)
    large = [http("GET", f"{p.url}/img/photo.jpg?w=1200&format=png") for _ in range(2)]
    assert [a.headers["X-Cache"] for a in large] == ["miss", "miss"]  # it would push out all others


def test_a_running_one_removes_what_is_old(cached):
    p = cached(cache_ttl="1s")
    http("GET", f"{p.url}/img/photo.jpg?w=33")
    assert wait_until(lambda: entries(p) == [], 10)


def test_what_a_killed_process_left_is_swept(cached):
    p = cached()
    http("GET", f"{p.url}/img/photo.jpg?w=33")
    torn, young = p.cache / ".pixpool/tmp/1.0", p.cache / ".pixpool/tmp/2.0"
    torn.write_bytes(b"half")
    young.write_bytes(b"half")
    use(torn, ago=700)
    assert "1 torn; left 1 of" in sweep(p)
    assert not torn.exists() and young.exists()


def test_sweeping_while_it_is_read(cached):
    """Each answer is whole, whoever removes what meanwhile; and one sweep goes on at a time."""
    p = cached()
    url = f"{p.url}/img/photo.jpg?format=png&w="
    bodies = {w: http("GET", f"{url}{w}").body for w in range(400, 408)}
    assert size(p) > 1 << 20
    with ThreadPoolExecutor(4) as ex:
        sweeps = [ex.submit(sweep, p, "--cache_size=1M") for _ in range(3)]
        for _ in range(10):
            for w, body in bodies.items():
                assert http("GET", f"{url}{w}").body == body
            sweeps.append(ex.submit(sweep, p, "--cache_size=1M"))
        said = [s.result() for s in sweeps]
    assert {s.split()[0] for s in said} <= {"removed", "another"} and any(" 0 beyond" not in s for s in said)


def test_the_command_says_what_is_wrong(cached, tmp_path):
    p = cached()
    assert "cache_dir is not set" in sweep(p, "--cache_dir=", status=1)
    assert "No such file or directory" in sweep(p, f"--cache_dir={tmp_path}/none", status=1)
    assert "removed 0 old" in sweep(p)  # nothing was kept yet
    r = subprocess.run([BUILD / "pixpool", "cache"], capture_output=True, text=True)
    assert r.returncode == 2 and "pixpool cache sweep" in r.stderr


# One job for many.


def decodes(*instances):
    return sum(value(p, DECODES) for p in instances)


def test_one_job_for_all_processes(cached):
    """50 at once to three instances: one job, and everybody gets its result."""
    p = cached(test_build=True, workers=1, queue=40)
    all = [p] + [cached(test_build=True, workers=1, queue=40, image_root=p.root) for _ in range(2)]
    path = "/img/photo.jpg?w=321"
    with ThreadPoolExecutor(50) as ex:
        with ExitStack() as stack:
            for i, q in enumerate(all):
                stack.enter_context(held(q, name=f"held{i}-"))
            answers = [ex.submit(http, "GET", f"{all[i % 3].url}{path}") for i in range(50)]
            # Of each the one that is held, and the one that asks, as well.
            assert wait_until(lambda: sum(value(q, "pixpool_connections") for q in all) == 50 + 2 * len(all), 20)
        answers = [a.result() for a in answers]
    assert [a.status for a in answers] == [200] * 50 and len({a.body for a in answers}) == 1
    said = [a.headers["X-Cache"] for a in answers]
    assert said.count("miss") == 1 and said.count("coalesced") >= 1 and set(said) <= {"miss", "coalesced", "hit"}, said
    assert wait_until(lambda: decodes(*all) == 1, 5)
    # What was held is a miss of each.
    assert wait_until(lambda: sum(value(q, "pixpool_cache_misses_total") for q in all) == 1 + len(all), 5)
    assert sum(value(q, f'pixpool_cache_hits_total{{kind="{k}"}}') for q in all for k in ("stored", "coalesced")) == 49


def test_one_job_for_all_processes_of_mod_fcgid(sample_images):
    """Where each process has one request, and no metrics of its own: their log tells who worked."""
    site = FcgidSite(sample_images, test_build=True, workers=1, queue=30)
    try:
        (site.dir / "run/cache").mkdir()
        (site.dir / "run/cache").chmod(0o777)
        with open(site.dir / "pixpool.conf", "a") as conf:
            conf.write(f"cache_dir = {site.dir}/run/cache\n")
        url = f"{site.url}/img/photo.jpg?w=1000&format=png&x-test=busy"
        with ThreadPoolExecutor(12) as ex:
            answers = list(ex.map(lambda _: http("GET", url), range(24)))
        assert [a.status for a in answers] == [200] * 24 and len({a.body for a in answers}) == 1
        said = Counter(a.headers["X-Cache"] for a in answers)
        assert said["miss"] == 1 and said["hit"] + said["coalesced"] == 23
        assert wait_until(lambda: site.log().count("route=img method=GET") == 24, 5)
        assert len(re.findall(r"uri=/img/photo.jpg .* worker=", site.log())) == 1
        assert len(re.findall(r"uri=/img/photo.jpg .* cache=miss ", site.log())) == 1
    finally:
        site.stop()


def test_a_killed_leader_frees_the_others(cached):
    p = cached(test_build=True, workers=1, queue=16, deadline="60s")
    q = cached(test_build=True, workers=1, queue=16, deadline="60s", image_root=p.root)
    url = "/img/photo.jpg?w=322"
    with ThreadPoolExecutor(5) as ex:
        with held(p):
            leader = ex.submit(http, "GET", f"{p.url}{url}")
            assert wait_until(lambda: value(p, 'pixpool_queue_depth{lane="interactive"}') == 1, 20)
            others = [ex.submit(http, "GET", f"{q.url}{url}") for _ in range(4)]
            assert wait_until(lambda: value(q, "pixpool_connections") >= 4, 20)
            time.sleep(0.1)
            assert not any(a.done() for a in others)  # they wait for a process that has not begun yet
            os.kill(p.gateway(), signal.SIGKILL)
            answers = [a.result() for a in others]
        assert leader.result().status == 502
    assert [a.status for a in answers] == [200] * 4
    assert sorted(a.headers["X-Cache"] for a in answers) == ["coalesced"] * 3 + ["miss"]
    assert decodes(q) == 1


def test_waiting_for_another_process_ends(cached):
    """With the deadline, or with the client."""
    p = cached(test_build=True, workers=1, queue=16, deadline="60s")
    q = cached(test_build=True, workers=1, queue=16, deadline="1s", image_root=p.root)
    url = "/img/photo.jpg?w=323"
    with ThreadPoolExecutor(1) as ex:
        with held(p):
            leader = ex.submit(http, "GET", f"{p.url}{url}")
            assert wait_until(lambda: value(p, 'pixpool_queue_depth{lane="interactive"}') == 1, 20)
            with Client(str(q.socket)) as leaves:
                leaves.send(request(url))
            assert wait_until(lambda: value(q, 'pixpool_cancelled_total{by="client"}') == 1, 5)
            assert http("GET", f"{q.url}{url}").status == 504
        assert leader.result().status == 200
    assert http("GET", f"{q.url}{url}").headers["X-Cache"] == "hit"


def test_nobody_waits_for_what_is_not_kept(cached, tmp_path):
    p = cached(test_build=True, workers=1, queue=16, deadline="60s", cache_dir=tmp_path / "none")
    q = cached(image_root=p.root, cache_dir=tmp_path / "none")
    with ThreadPoolExecutor(1) as ex:
        with held(p):
            leader = ex.submit(http, "GET", f"{p.url}/img/photo.jpg?w=324")
            assert wait_until(lambda: value(p, 'pixpool_queue_depth{lane="interactive"}') == 1, 20)
            assert http("GET", f"{q.url}/img/photo.jpg?w=324").status == 200
        assert leader.result().status == 200


# When it can't.


def test_a_directory_that_is_not_there_is_said_once(cached, tmp_path):
    p = cached(cache_dir=tmp_path / "none", sandbox="limits")
    for i in range(4):
        assert http("GET", f"{p.url}/img/photo.jpg?w={50 + i}").status == 200
    assert p.log().count("event=cache ") == 1 and "ENOENT" in p.log()
    check = subprocess.run([BUILD / "pixpool", "check", f"--cache_dir={tmp_path}/none"], capture_output=True, text=True)
    assert f"PROBLEM  cache_dir {tmp_path}/none: No such file or directory: make the directory" in check.stdout
    (tmp_path / "none").mkdir()  # mounted at last
    assert [http("GET", f"{p.url}/img/photo.jpg?w=50").headers["X-Cache"] for _ in range(2)] == ["miss", "hit"]
    assert p.log().count("kept again") == 1


def test_a_directory_that_vanishes(cached):
    p = cached()
    url = f"{p.url}/img/photo.jpg?w=50"
    http("GET", url)
    subprocess.check_call(["rm", "-r", p.cache / ".pixpool"])
    assert [http("GET", url).headers["X-Cache"] for _ in range(2)] == ["miss", "hit"]


def test_what_cannot_be_swept_is_said_once(cached, tmp_path):
    way = tmp_path / "cache/.pixpool/sweep"
    way.mkdir(parents=True)
    p = cached(cache_ttl="8s")  # looks every second
    for _ in range(2):
        use(way, ago=1e7)
        assert wait_until(lambda: "event=cache_sweep error=EISDIR" in p.log(), 10)
        time.sleep(1.1)
    assert p.log().count("event=cache_sweep error") == 1
    way.rmdir()
    assert wait_until(lambda: "swept again" in p.log(), 10)


def test_a_full_disk(cached, tmp_path):
    """RLIMIT_FSIZE stands for it, with the signal ignored, as pixpool does."""
    p = cached(workers=1)
    log = len(p.log()) + (64 << 10)
    resource.prlimit(p.gateway(), resource.RLIMIT_FSIZE, (log, log))
    answers = [http("GET", f"{p.url}/img/photo.jpg?w=2400&enlarge=1&format=png&effort=0&v={i}") for i in range(3)]
    assert [a.status for a in answers] == [200] * 3 and len({a.body for a in answers}) == 1
    assert entries(p) == [] and list((p.cache / ".pixpool/tmp").iterdir()) == []
    assert p.log().count("event=cache ") == 1 and "EFBIG" in p.log()
    assert http("GET", f"{p.url}/img/photo.jpg?w=20").status == 200
    assert len(entries(p)) == 1
