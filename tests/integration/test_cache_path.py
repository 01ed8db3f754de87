"""cache_layout = path: images under names by which a web server finds them, and nothing there that it must not find."""

import fcntl
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from answers import image
from client import http
from conftest import BUILD, wait_until
from metrics import value
from test_admission import held
from test_cache import cached, entries, sweep, told, use  # noqa: F401: cached is a fixture


@pytest.fixture
def named(cached):  # noqa: F811
    def start(**keys):
        return cached(**{"cache_layout": "path", **keys})

    return start


def names(p):
    """What a web server may find."""
    return sorted(str(f.relative_to(p.cache)) for f in p.cache.rglob("*")
                  if f.is_file() and ".pixpool" not in f.parts)


def get(p, path, **headers):
    return http("GET", f"{p.url}/img/{path}", headers=headers)


def test_the_file_is_the_image(named):
    p = named()
    for path, name in (("w=60/photo.jpg", "w=60/photo.jpg"), ("w=61/photo.jpg.webp", "w=61/photo.jpg.webp"),
                       ("w=62,h=50/sub/deep/leaf.jpg", "w=62,h=50/sub/deep/leaf.jpg"),
                       ("alpha.png?w=63&h=40", "w=63,h=40/alpha.png"), ("grey.jpg", "grey.jpg"),
                       ("w=30/ein%20B%C3%A4r%20%26%20100%25.jpg", "w=30/ein Bär & 100%.jpg")):
        first, second = get(p, path), get(p, path)
        image(first)
        assert [a.headers["X-Cache"] for a in (first, second)] == ["miss", "hit"]
        assert first.body == second.body == (p.cache / name).read_bytes()
        assert told(first) == told(second)
        mode = [(p.cache / name).stat().st_mode & 0o777] + [(p.cache / name).parent.stat().st_mode & 0o777]
        assert mode in ([0o644, 0o755], [0o644, p.cache.stat().st_mode & 0o777])
    assert len(names(p)) == 6


def test_what_has_no_name_is_kept_as_well(named):
    """Needs a header that no web server would send, depends on more than the URL, or would be called what it is not."""
    p = named()
    (p.root / "lies.png").write_bytes((p.root / "photo.jpg").read_bytes())
    os.utime(p.root / "lies.png", (1e9, 1e9))
    for path in ("w=60,dl=1/photo.jpg", "photo.jpg?w=60&filename=x", "photo.jpg?w=60&format=auto",
                 "photo.jpg?w=60&format=webp", "w=60,maxage=1h/photo.jpg", "photo.jpg?w=50%25",
                 f"w=60,expires={int(time.time()) + 900}/photo.jpg", "w=60/lies.png", "w=60/photo.jpg?h=40",
                 "w=400,max_bytes=1024/photo.jpg.png", "w=59/photo.jpg?utm_source=x", "photo.jpg?w=58&utm_source=x",
                 "w=57,utm_source=x/photo.jpg", "v=a%2Cw=5,w=60/photo.jpg"):
        answers = [get(p, path) for _ in range(2)]
        assert [a.headers["X-Cache"] for a in answers] == ["miss", "hit"], path
        assert answers[0].body == answers[1].body
    assert names(p) == []


def test_each_spelling_gets_its_name(named):
    p = named()
    assert get(p, "photo.jpg?w=60&maxage=1h").headers["X-Cache"] == "miss"
    assert names(p) == []
    grown = []
    for path in ("w=60,h=40/photo.jpg", "h=40,w=60/photo.jpg", "height=40,w=60/photo.jpg"):
        answers = [get(p, path) for _ in range(2)]
        grown.append((p.cache / ".pixpool/grown").stat().st_size)
    assert grown[0] < grown[1] < grown[2] == grown[0] + 2  # a directory each is no image, but something
    assert names(p) == ["h=40,w=60/photo.jpg", "height=40,w=60/photo.jpg", "w=60,h=40/photo.jpg"]
    assert len({(p.cache / n).stat().st_ino for n in names(p)}) == 1 and answers[0].headers["X-Cache"] == "hit"


def test_a_name_for_what_was_kept_without(named, cached):  # noqa: F811
    p = cached()
    first = get(p, "w=60/photo.jpg")
    q = named(image_root=p.root)
    assert names(q) == []
    again = get(q, "w=60/photo.jpg")
    assert (again.headers["X-Cache"], again.body) == ("hit", first.body)
    assert (q.cache / "w=60/photo.jpg").read_bytes() == first.body
    assert get(q, "w=60/photo.jpg").body == first.body and get(p, "w=60/photo.jpg").headers["X-Cache"] == "hit"


def test_a_changed_source_takes_the_name(named):
    p = named()
    first = get(p, "w=60/photo.jpg")
    file = p.root / "photo.jpg"
    old, times = file.read_bytes(), file.stat()
    file.write_bytes((p.root / "sub/deep/leaf.jpg").read_bytes())
    os.utime(file, (1e9, 1e9))
    second = get(p, "w=60/photo.jpg")
    assert second.headers["X-Cache"] == "miss"
    assert (p.cache / "w=60/photo.jpg").read_bytes() == second.body != first.body
    file.write_bytes(old)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    third = get(p, "w=60/photo.jpg")  # whose entry is still there, and whose name is not
    assert (third.headers["X-Cache"], third.body) == ("miss", first.body)
    assert (p.cache / "w=60/photo.jpg").read_bytes() == first.body


def test_the_result_of_an_older_source_does_not_take_it_back(named):
    p = named(test_build=True, workers=1, deadline="60s")
    old = get(p, "w=64/photo.jpg.png")
    with ThreadPoolExecutor(1) as ex:
        with held(p):
            slow = ex.submit(get, p, "w=60/photo.jpg.png")
            assert wait_until(lambda: value(p, 'pixpool_queue_depth{lane="interactive"}') == 1, 20)
            shutil.copy(p.root / "sub/deep/leaf.jpg", p.root / "new.jpg")
            os.utime(p.root / "new.jpg", (1e9, 1e9))
            (p.root / "new.jpg").rename(p.root / "photo.jpg")
        assert image(slow.result()).size == (60, 40) and image(old).size == (64, 43)
    assert names(p) == ["w=64/photo.jpg.png"]
    new = get(p, "w=60/photo.jpg.png")
    assert (new.headers["X-Cache"], image(new).size) == ("miss", (60, 48))
    assert (p.cache / "w=60/photo.jpg.png").read_bytes() == new.body


def test_a_file_in_the_way(named, tmp_path):
    p = named()
    (tmp_path / "outside").mkdir()
    assert get(p, "w=60/photo.jpg").headers["X-Cache"] == "miss"
    (p.cache / "w=61").write_bytes(b"in the way")
    (p.cache / "w=62").symlink_to(tmp_path / "outside")
    (p.cache / "w=63/photo.jpg").mkdir(parents=True)
    for w in (61, 62, 63):
        assert [get(p, f"w={w}/photo.jpg").headers["X-Cache"] for _ in range(2)] == ["miss", "hit"]
    kept = {f.stat().st_ino for f in entries(p)}
    for w in (61, 62, 63):
        assert get(p, f"w={w}/photo.jpg").headers["X-Cache"] == "hit"
    assert {f.stat().st_ino for f in entries(p)} == kept  # not written anew, in vain, each time
    assert "event=cache " not in p.log() and list((tmp_path / "outside").iterdir()) == []


def test_it_is_not_let_loose_on_what_is_not_its_own(named):
    p = named()
    (p.cache / "precious.jpg").write_bytes(b"somebody's")
    assert get(p, "w=60/photo.jpg").headers["X-Cache"] == "miss"
    assert names(p) == ["precious.jpg"] and "ENOTEMPTY" in p.log()
    use(p.cache / "precious.jpg", ago=1e7)
    sweep(p, "--cache_layout=path")
    assert names(p) == ["precious.jpg"]
    check = subprocess.run([BUILD / "pixpool", "check", f"--cache_dir={p.cache}", "--cache_layout=path"],
                           capture_output=True, text=True).stdout
    assert "PROBLEM  cache_dir" in check and "empty directory" in check


def test_signatures_and_names_exclude_each_other(tmp_path):
    r = subprocess.run([BUILD / "pixpool", "check", f"--cache_dir={tmp_path}", "--cache_layout=path",
                        "--signing_keys=a:" + "k" * 32], capture_output=True, text=True)
    assert r.returncode == 1 and "signing_keys would guard nothing" in r.stderr


# Sweeping.


def roots(p):
    return f"--image_root={p.root}", "--cache_layout=path"


def test_names_go_by_the_time_they_were_made(named):
    p = named(cache_ttl="1h")
    for w in (60, 61, 62):
        get(p, f"w={w}/photo.jpg")
    (p.cache / ".htaccess").write_text("")
    (p.cache / "index.html").write_text("")
    old = p.cache / "w=60/photo.jpg"
    os.utime(old, (time.time(), time.time() - 3700))  # read just now, which does not help
    assert sweep(p, "--cache_ttl=1h", *roots(p)).startswith("removed 1 old, 0 stale, 0 beyond")
    assert names(p) == [".htaccess", "index.html", "w=61/photo.jpg", "w=62/photo.jpg"]
    assert not old.parent.exists()
    again = get(p, "w=60/photo.jpg")
    assert again.headers["X-Cache"] == "miss" and old.exists()


def test_names_of_changed_sources_go(named):
    p = named()
    for path in ("w=60/photo.jpg", "w=60/photo.jpg.webp", "w=60/sub/deep/leaf.jpg", "grey.jpg", "w=60/still.webp"):
        assert get(p, path).status == 200
    assert sweep(p, *roots(p)).startswith("removed 0 old, 0 stale")
    os.utime(p.root / "photo.jpg", (time.time() + 1,) * 2)
    (p.root / "grey.jpg").unlink()
    assert sweep(p, *roots(p)).startswith("removed 0 old, 3 stale")
    assert names(p) == ["w=60/still.webp", "w=60/sub/deep/leaf.jpg"]
    moved = p.root.rename(p.root.with_name("away"))  # not mounted, perhaps
    assert sweep(p, *roots(p)).startswith("removed 0 old, 0 stale")
    moved.rename(p.root)


def test_a_link_that_was_switched_is_a_change(named, tmp_path, sample_images):
    """A deploy in the manner of many: the files of the next release are older than the images of the last one."""
    for release in "12":
        shutil.copytree(sample_images, tmp_path / release / "photos")
    (tmp_path / "current").symlink_to("1")
    p = named(image_root=tmp_path / "current/photos")
    assert get(p, "w=60/photo.jpg").headers["X-Cache"] == "miss"
    assert sweep(p, *roots(p)).startswith("removed 0 old, 0 stale")
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "current")
    assert sweep(p, *roots(p)).startswith("removed 0 old, 1 stale")
    assert get(p, "w=60/photo.jpg").headers["X-Cache"] == "miss" and names(p) == ["w=60/photo.jpg"]
    assert sweep(p, *roots(p)).startswith("removed 0 old, 0 stale")


def test_a_disk_of_its_own_is_empty(named, tmp_path):
    (tmp_path / "cache/lost+found").mkdir(parents=True)
    p = named(cache_ttl="8s")
    assert get(p, "w=60/photo.jpg").headers["X-Cache"] == "miss" and names(p) == ["w=60/photo.jpg"]
    sweep(p, *roots(p))
    assert (p.cache / "lost+found").is_dir()


def test_what_a_power_cut_left_empty_goes(named):
    p = named()
    for w in (60, 61):
        get(p, f"w={w}/photo.jpg")
    lost = p.cache / "w=60/photo.jpg"
    os.truncate(lost, 0)
    os.utime(lost, (time.time() + 1,) * 2)
    assert "0 beyond cache_size, 1 torn" in sweep(p, *roots(p)) and names(p) == ["w=61/photo.jpg"]


def test_a_cache_behind_a_link_is_swept_as_well(named, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to("disk")
    p = named()
    get(p, "w=60/photo.jpg")
    assert names(p) == ["w=60/photo.jpg"]
    use(tmp_path / "disk/w=60/photo.jpg", ago=1e7)
    assert sweep(p, *roots(p)).startswith("removed 1 old")
    assert names(p) == [] and (tmp_path / "cache").is_symlink()


def test_names_that_are_too_many_go_by_last_use(named):
    p = named()
    for w in range(400, 410):
        get(p, f"w={w}/photo.jpg.png")
    now = time.time()
    for i, w in enumerate(range(400, 410)):
        os.utime(p.cache / f"w={w}/photo.jpg.png", (now - 1000 + 10 * i, now - 5000))
    os.utime(p.cache / "w=400/photo.jpg.png", (now, now - 5000))  # the web server has read it
    use(*entries(p), ago=4000)
    sweep(p, "--cache_size=1M", "--cache_layout=path")
    left = names(p)
    assert "w=400/photo.jpg.png" in left and "w=401/photo.jpg.png" not in left
    assert left[1:] == [f"w={w}/photo.jpg.png" for w in range(411 - len(left), 410)]
    assert sum((p.cache / n).stat().st_size for n in left) <= 7 << 17


def test_a_running_one_notices_a_changed_source(named):
    p = named(cache_ttl="8s")  # looks every second
    get(p, "w=60/photo.jpg")
    os.utime(p.root / "photo.jpg", (time.time() + 1,) * 2)
    assert wait_until(lambda: names(p) == [], 6)


def test_names_that_another_configuration_made_go(named):
    """A web server would go on with them, however long the source stays what it is."""
    p = named(**{"preset.thumb": "w=60", "grace": "0"})
    assert get(p, "preset=thumb/photo.jpg").status == get(p, "w=61/photo.jpg").status == 200
    p.stop()
    q = named(**{"image_root": p.root, "preset.thumb": "w=60", "grace": "0"})
    assert sweep(q, *roots(q), "--grace=0").startswith("removed 0 old, 0 stale") and len(names(q)) == 2
    time.sleep(1.1)  # times of files are compared in seconds
    r = named(**{"image_root": p.root, "preset.thumb": "w=70", "grace": "0"})
    assert wait_until(lambda: names(r) == [], 5)
    time.sleep(1.1)
    assert image(get(r, "preset=thumb/photo.jpg")).size == (70, 47)
    assert sweep(r, *roots(r), "--grace=0").startswith("removed 0 old, 0 stale") and len(names(r)) == 1


def test_one_of_an_older_configuration_names_nothing_any_more(named):
    """A process of mod_fcgid lives on with the rules of its start, while a web server goes by those of the last one."""
    p = named(**{"preset.thumb": "w=60"})
    assert get(p, "w=61/photo.jpg").status == 200 and names(p) == ["w=61/photo.jpg"]
    q = named(**{"image_root": p.root, "preset.thumb": "w=70"})
    assert wait_until(lambda: names(p) == [], 10)
    for path in ("preset=thumb/photo.jpg", "w=61/photo.jpg", "w=62/photo.jpg"):
        assert [get(p, path).headers["X-Cache"] for _ in range(2)] == ["miss", "hit"] and names(p) == []
    assert image(get(q, "preset=thumb/photo.jpg")).size == (70, 47)
    assert image(get(p, "preset=thumb/photo.jpg")).size == (60, 40)
    assert get(q, "w=62/photo.jpg").headers["X-Cache"] == "hit"  # of which it knows that it is the same
    with Image.open(q.cache / "preset=thumb/photo.jpg") as named_so:
        assert named_so.size == (70, 47) and names(q) == ["preset=thumb/photo.jpg", "w=62/photo.jpg"]
    assert "event=cache " not in p.log()


def test_other_watermarks_by_path_are_another_configuration(named, tmp_path):
    p = named(mark_root=tmp_path)
    assert get(p, "w=61/photo.jpg").status == 200
    p.stop()
    (tmp_path / "marks").mkdir()
    named(image_root=p.root, mark_root=tmp_path / "marks")
    assert wait_until(lambda: names(p) == [], 5)


def test_what_is_due_comes_after_the_sweep_of_another(named):
    p = named(**{"preset.thumb": "w=60"})
    assert get(p, "w=61/photo.jpg").status == 200
    sweep(p, *roots(p))  # so that the next one would be in ten minutes
    p.stop()
    with open(p.cache / ".pixpool/sweep", "r+b") as busy:
        fcntl.lockf(busy, fcntl.LOCK_EX)
        named(**{"image_root": p.root, "preset.thumb": "w=70"})
        assert not wait_until(lambda: names(p) == [], 0.5)
    assert wait_until(lambda: names(p) == [], 10)
