"""conf/nginx/cached.conf and static.conf, as they are shipped, in front of a real nginx: who answers, with what, and
when it is no longer true."""

import io
import os
import signal
import subprocess
import time

import pytest
from PIL import Image

from client import http
from conftest import BUILD, session_processes, wait_until
from site_conf import run_shipped
from test_cache import told


def get(p, path, method="GET", **headers):
    return http(method, f"{p.url}/img/{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def picture(answer):
    assert answer.status == 200, answer.body[:300]
    im = Image.open(io.BytesIO(answer.body))
    im.load()
    assert answer.headers["Content-Type"] == f"image/{im.format.lower()}"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    return im.format, im.size


def cache(*answers):
    return [a.headers["X-Cache"] for a in answers]


def stop_pixpool(p):
    os.kill(p.pid, signal.SIGTERM)
    assert wait_until(lambda: not session_processes(p.pid), 10)


def replace_photo(p):
    """With a picture of another shape, as old as the hills."""
    (p.root / "photo.jpg").write_bytes((p.root / "sub/deep/leaf.jpg").read_bytes())
    os.utime(p.root / "photo.jpg", (1e9, 1e9))


# nginx's own cache.


@pytest.fixture
def cached(start_pixpool):
    def start(**keys):
        p = start_pixpool(nginx=False, **keys)
        run_shipped(p, "cached.conf", {"/var/cache/nginx/pixpool": str(p.dir / "kept")})
        return p

    return start


def test_nginx_keeps_what_pixpool_made(cached):
    p = cached()
    head, first, second = get(p, "photo.jpg?w=111", "HEAD"), get(p, "photo.jpg?w=111"), get(p, "photo.jpg?w=111")
    assert (head.status, head.body) == (200, b"") and picture(first) == ("JPEG", (111, 74))
    assert second.body == first.body and told(second) == told(first)
    assert cache(head, first, second) == ["MISS", "MISS", "HIT"]
    assert cache(get(p, "photo.jpg?w=111", "HEAD")) == ["HIT"]
    again = get(p, "photo.jpg?w=111", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    part = get(p, "photo.jpg?w=111", Range="bytes=10-19")
    assert (part.status, part.body) == (206, first.body[10:20])
    stop_pixpool(p)
    assert get(p, "photo.jpg?w=111").body == first.body
    assert get(p, "photo.jpg?w=112").status == 502


def test_nginx_keeps_negotiated_formats_apart_and_no_errors(cached):
    p = cached()
    accepts = ("image/avif,image/webp,*/*", "image/png,*/*;q=0.5", "image/webp", "*/*", "image/webp;q=0")
    answers = [get(p, "photo.jpg?w=112&format=auto", Accept=a) for a in accepts]
    assert [picture(a)[0] for a in answers] == ["WEBP", "JPEG", "WEBP", "JPEG", "JPEG"]
    assert cache(*answers) == ["MISS", "MISS", "HIT", "HIT", "HIT"]
    assert {a.headers["Vary"] for a in answers} == {"Accept"}
    errors = [get(p, path) for path in ("photo.jpg?w=0", "broken/text.jpg") for _ in range(2)]
    assert [(a.status, *cache(a)) for a in errors] == [(400, "MISS")] * 2 + [(415, "MISS")] * 2


def test_nginx_sends_the_old_one_while_it_asks(cached):
    p = cached(maxage="1s")
    first = get(p, "photo.jpg?w=113")
    assert cache(first, get(p, "photo.jpg?w=113")) == ["MISS", "HIT"]
    time.sleep(2.1)  # nginx's seconds are whole ones
    stale = get(p, "photo.jpg?w=113")
    assert (*cache(stale), stale.body) == ("STALE", first.body)  # and is found to be the same, without a job
    assert wait_until(lambda: cache(get(p, "photo.jpg?w=113")) == ["HIT"], 5)
    assert "status=304" in p.log() and p.log().count("worker=") == 1
    replace_photo(p)
    time.sleep(2.1)
    assert get(p, "photo.jpg?w=113").body == first.body
    assert wait_until(lambda: picture(get(p, "photo.jpg?w=113"))[1] == (113, 90), 5)
    stop_pixpool(p)
    time.sleep(2.1)
    assert picture(get(p, "photo.jpg?w=113"))[1] == (113, 90)  # rather than none


def test_an_old_one_does_not_outlive_its_source(cached):
    p = cached(maxage="1s")
    assert get(p, "photo.jpg?w=115").status == 200
    (p.root / "photo.jpg").unlink()
    time.sleep(2.1)
    assert cache(get(p, "photo.jpg?w=115")) == ["STALE"]
    assert wait_until(lambda: get(p, "photo.jpg?w=115").status == 404, 5)


def test_nor_its_signature(cached, tmp_path):
    """Nothing that pixpool would refuse comes from the cache."""
    keys = "--signing_keys=a:" + "k" * 32
    p = cached(signing_keys=keys[15:], cache_dir=tmp_path, maxage="1s")

    def signed(path):
        url = subprocess.check_output([BUILD / "pixpool", "sign", keys, f"{p.url}/img/{path}"], text=True)
        return url.strip().split("/img/")[1]

    end = int(time.time()) + 6
    urls = [signed(f"photo.jpg?w=116&expires={end}"), signed(f"w=116,exp={end}/photo.jpg")]
    urls += [signed(f"photo.jpg?w=116&%65xpires={end}").replace("&s=", "&%73="),
             signed(f"w=116,e%78p={end}/photo.jpg").replace("?s=", "?%73=")]
    for url in urls:
        assert [get(p, url).status for _ in range(2)] == [200] * 2
        assert get(p, url.replace("116", "117")).status == 403
    # Good until that second is over; the kernel's clock of whole seconds runs a few milliseconds behind the other.
    assert wait_until(lambda: time.time() > end + 1.1, 20)
    assert [get(p, url).status for url in urls * 2] == [410] * 8


def test_nor_what_is_refused_since(cached, tmp_path):
    """One old answer, as of a source that has changed; then what pixpool says now, to everybody."""
    conf = tmp_path / "pixpool.conf"
    conf.write_text("maxage = 1s\n")
    p = cached(config=conf)
    paths = ["photo.jpg?w=118", "w=118/sub/deep/leaf.jpg"]
    assert [get(p, path).status for path in paths] == [200] * 2
    old = p.gateway()
    conf.write_text("maxage = 1s\nsigning_keys = a:" + "k" * 32)
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: p.with_role("gateway") not in ([], [old]) and len(p.with_role("gateway")) == 1, 30)
    time.sleep(2.1)
    assert cache(*[get(p, path) for path in paths]) == ["STALE"] * 2
    assert wait_until(lambda: [get(p, path).status for path in paths] == [403] * 2, 5)
    time.sleep(2.1)  # until that is old as well
    assert [get(p, path).status for path in paths] == [403] * 2
    fresh = [get(p, "photo.jpg?w=999") for _ in range(2)]
    assert [(a.status, *cache(a)) for a in fresh] == [(403, "MISS")] * 2  # takes no place of its own
    assert fresh[0].headers["Cache-Control"] == "no-store"

    conf.write_text("maxage = 1s\n")
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: get(p, "photo.jpg?w=118").status == 200, 30)  # and back


def test_nor_a_source_that_is_no_picture_any_more(cached):
    p = cached(maxage="1s")
    assert get(p, "photo.jpg?w=118").status == 200
    (p.root / "photo.jpg").write_text("not a picture, and old")
    os.utime(p.root / "photo.jpg", (1e9, 1e9))
    time.sleep(2.1)
    assert wait_until(lambda: get(p, "photo.jpg?w=118").status == 415, 5)


A, B = "https://a.example", "https://b.example"


@pytest.mark.parametrize("lines, answers", [
    (None, [("MISS", None)] + [("HIT", None)] * 7),  # as it is shipped
    (f'default ""; "{A}" {A}; "{B}" {B};',
     [("MISS", A), ("MISS", B), ("MISS", None), ("HIT", None), ("HIT", A), ("HIT", B), ("HIT", None), ("HIT", None)]),
    ('default "*";', [("MISS", "*")] + [("HIT", "*")] * 7),
])
def test_no_origin_gets_another_one_s_answer(start_pixpool, lines, answers):
    shipped = 'default "";\n    #"https://shop.example.org" https://shop.example.org;'
    p = start_pixpool(nginx=False, cors_origins=f"{A} {B}" if lines != 'default "*";' else "*")
    run_shipped(p, "cached.conf", {"/var/cache/nginx/pixpool": str(p.dir / "kept"), shipped: lines or shipped})
    asked = [get(p, "photo.jpg?w=21", **({"Origin": o} if o else {})) for o in (A, B, None, "https://evil.example") * 2]
    assert [a.status for a in asked] == [200] * 8
    assert [(*cache(a), a.headers["Access-Control-Allow-Origin"]) for a in asked] == answers


def test_both_caches(cached, tmp_path):
    p = cached(cache_dir=tmp_path)
    assert get(p, "photo.jpg?w=114").headers.get_all("X-Cache") == ["MISS"]


# pixpool's cache, read by nginx.


@pytest.fixture
def static(start_pixpool, tmp_path):
    def start(**keys):
        p = start_pixpool(nginx=False, cache_dir=tmp_path, cache_layout="path", **keys)
        p.cache = tmp_path
        run_shipped(p, "static.conf", {"root /var/cache/pixpool;": f"root {tmp_path};"})
        return p

    return start


def test_a_hit_never_reaches_pixpool(static):
    p = static()
    first, second = get(p, "w=121/photo.jpg"), get(p, "w=121/photo.jpg")
    assert cache(first, second) == ["miss", "STATIC"]
    assert picture(second) == ("JPEG", (121, 81)) and second.body == first.body
    for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options"):
        assert second.headers.get_all(name) == first.headers.get_all(name), name
    webp = [get(p, "w=122,h=90,fit=cover/photo.jpg.webp") for _ in range(2)]
    assert [picture(a) for a in webp] == [("WEBP", (122, 90))] * 2 and cache(*webp) == ["miss", "STATIC"]
    odd = [get(p, "w=30/ein%20B%C3%A4r%20%26%20100%25.jpg") for _ in range(2)]
    assert cache(*odd) == ["miss", "STATIC"] and odd[0].body == odd[1].body
    stop_pixpool(p)
    head, full = get(p, "w=121/photo.jpg", "HEAD"), get(p, "w=121/photo.jpg")
    assert head.status == 200 and head.body == b"" and full.body == first.body
    same = get(p, "w=121/photo.jpg", If_None_Match=full.headers["ETag"])
    assert (same.status, same.body) == (304, b"")
    assert get(p, "w=121/photo.jpg", Range="bytes=10-19").body == first.body[10:20]
    assert get(p, "w=129/photo.jpg").status == 502


def test_plain_queries_are_found_as_well(static):
    p = static()
    for path in ("photo.jpg?w=60", "sub/deep/leaf.jpg?w=61&h=40", "photo.jpg?w=62&h=40&fit=cover",
                 "photo.jpg?rect=0,0,60,40&w=30"):
        first, second = get(p, path), get(p, path)
        assert cache(first, second) == ["miss", "STATIC"] and second.body == first.body, path
    assert cache(get(p, "h=40,w=61/sub/deep/leaf.jpg"), get(p, "w=61,h=40/sub/deep/leaf.jpg")) == ["hit", "STATIC"]


def test_no_other_query_is_answered_by_a_file(static):
    """All of these have a file beside them that they must not get."""
    p = static()
    plain = get(p, "w=60/photo.jpg")
    assert cache(get(p, "w=60/photo.jpg")) == ["STATIC"]
    for path in ("w=60/photo.jpg?h=20", "w=60/photo.jpg?dl=1", "w=60/photo.jpg?utm_source=x", "photo.jpg?w=60&dl=1",
                 "photo.jpg?w=60&format=webp", "photo.jpg?w=60&v=a%2Cb", "photo.jpg?w=60&"):
        answers = [get(p, path) for _ in range(2)]
        assert "STATIC" not in cache(*answers), path
        assert answers[0].status == answers[1].status in (200, 400)
    assert get(p, "w=60/photo.jpg?h=20").body != plain.body
    assert get(p, "photo.jpg?w=60&format=webp").headers["Content-Type"] == "image/webp"
    assert "attachment" in get(p, "photo.jpg?w=60&dl=1").headers["Content-Disposition"]
    kinds = [get(p, "photo.jpg?w=60&format=auto", Accept=a).headers["Content-Type"] for a in ("image/webp", "*/*") * 2]
    assert kinds == ["image/webp", "image/jpeg"] * 2


def test_an_encoded_comma_is_no_comma(static):
    """Decoded, these are the names of files that are there: of options, where the URL means a value or a folder."""
    p = static()
    plain = get(p, "v=a,w=50/photo.jpg")
    assert picture(plain)[1][0] == 50 and cache(get(p, "v=a,w=50/photo.jpg")) == ["STATIC"]
    for comma in ("%2C", "%2c"):
        answers = [get(p, f"v=a{comma}w=50/photo.jpg") for _ in range(2)]
        assert "STATIC" not in cache(*answers) and all(picture(a)[1][0] > 50 for a in answers)
    assert get(p, "w=50/photo.jpg").status == 200 and cache(get(p, "w=50/photo.jpg")) == ["STATIC"]
    assert get(p, "w%3D50/photo.jpg").status == 404


def test_nothing_hidden_is_served(static):
    p = static()
    assert get(p, "photo.jpg?w=50%25").status == 200  # has no name
    entry, = (p.cache / ".pixpool").glob("??/*")
    (p.cache / ".secret.jpg").write_bytes(b"secret")
    for path in (entry.relative_to(p.cache), ".secret.jpg", "w=60/../.secret.jpg", "%2esecret.jpg", ".pixpool/turns",
                 "w=60//../.secret.jpg", "..%2f.secret.jpg", "?", ""):
        assert get(p, str(path)).status in (400, 404), path


def test_a_changed_source_shows_after_a_sweep(static):
    p = static(cache_ttl="8s")  # looks every second
    first = get(p, "w=123/photo.jpg")
    replace_photo(p)
    assert wait_until(lambda: picture(get(p, "w=123/photo.jpg"))[1] == (123, 98), 8)
    (p.root / "photo.jpg").unlink()
    assert first.status == 200 and wait_until(lambda: get(p, "w=123/photo.jpg").status == 404, 8)


def test_a_picture_goes_when_its_time_is_over(static):
    """Whatever happened to the source: this one is beyond reach."""
    p = static(cache_ttl="4s")
    assert get(p, "w=124/photo.jpg").status == 200 and (p.cache / "w=124/photo.jpg").exists()
    p.root.rename(p.root.with_name("away"))
    assert wait_until(lambda: get(p, "w=124/photo.jpg").status == 404, 20)
