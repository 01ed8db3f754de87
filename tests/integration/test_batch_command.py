"""pixpool batch: folders on the command line, over worker processes."""

import os
import pty
import re
import signal
import subprocess

import pytest
from PIL import Image

from conftest import BUILD, session_processes, wait_until
from samples import scene


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    (root / "deep" / "er").mkdir(parents=True)
    scene((300, 200)).save(root / "a.jpg")
    scene((300, 200)).save(root / "a.png")
    scene((200, 300)).save(root / "deep" / "b.webp")
    scene((120, 80)).save(root / "deep" / "er" / "ein Bär.JPG", "JPEG")
    scene((50, 50)).save(root / ".hidden.jpg")
    (root / "notes.txt").write_text("not meant")
    (root / "deep" / "broken.jpg").write_text("no image at all")
    return root


def batch(*words, program=BUILD / "pixpool", **more):
    return subprocess.run([program, "batch", *map(str, words)], capture_output=True, text=True, timeout=60, **more)


def results(out):
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and p.name != ".pixpool-batch")


def last(run):
    return run.stdout.splitlines()[-1]


def test_a_tree_of_images(photos, tmp_path):
    out = tmp_path / "out"
    run = batch(photos, "--out", out, "w=60,format=webp", "--jobs", "2")
    assert run.returncode == 1 and run.stderr == ""
    assert results(out) == ["a.png.webp", "a.webp", "deep/b.webp", "deep/er/ein Bär.webp"]
    assert Image.open(out / "deep" / "b.webp").size == (60, 90)
    lines = run.stdout.splitlines()
    assert f"done {photos}/deep/er/ein Bär.JPG" in lines and any(l.startswith(f"failed {photos}/deep/broken.jpg: ") for l in lines)
    assert last(run).startswith("4 done, 0 up to date, 1 failed, of 5")


def test_what_is_up_to_date_is_left_alone(photos, tmp_path):
    out = tmp_path / "out"
    (photos / "deep" / "broken.jpg").unlink()
    assert batch(photos, "--out", out, "w=60").returncode == 0
    made = {f: (out / f).stat().st_mtime_ns for f in results(out)}
    run = batch(photos, "--out", out, "w=60")
    assert run.returncode == 0 and last(run).startswith("0 done, 4 up to date, 0 failed")
    os.utime(photos / "a.jpg")
    (out / "deep" / "b.webp").unlink()
    assert last(batch(photos, "--out", out, "w=60")).startswith("2 done, 2 up to date")
    assert last(batch(photos, "--out", out, "w=60", "--force")).startswith("4 done")
    assert last(batch(photos, "--out", out, "w=50")).startswith("4 done"), "another wish"
    assert last(batch(photos, "--out", out, "w=50")).startswith("0 done, 4 up to date")
    assert results(out) == sorted(made)


def test_renditions_of_the_configuration(photos, tmp_path):
    out = tmp_path / "out"
    batch(photos / "deep" / "b.webp", "--out", out)
    assert results(out) == [f"b-{n}.webp" for n in ("large", "medium", "original", "small", "thumb")]
    out = tmp_path / "two"
    batch(photos, photos / "deep" / "er", "--out", out, "--outputs=thumb,tiny", "format=jpeg",
          "--rendition.thumb=w=30,h=30,fit=cover", "--rendition.tiny=w=8")
    assert results(out) == ["er/ein Bär-thumb.jpg", "er/ein Bär-tiny.jpg", "photos/a-thumb.jpg", "photos/a-tiny.jpg",
                            "photos/a.png-thumb.jpg", "photos/a.png-tiny.jpg", "photos/deep/b-thumb.jpg",
                            "photos/deep/b-tiny.jpg", "photos/deep/er/ein Bär-thumb.jpg",
                            "photos/deep/er/ein Bär-tiny.jpg"]
    assert Image.open(out / "photos" / "a-thumb.jpg").size == (30, 30)


def test_results_below_the_sources_are_no_sources(photos):
    out = photos / "small"
    batch(photos, "--out", out, "w=60")
    before = results(out)
    run = batch(photos, "--out", out, "w=60")
    assert results(out) == before and last(run).startswith("0 done, 4 up to date")


@pytest.mark.parametrize("words, said", [
    ((), "DIR is missing"), (("X",), "--out"), (("X", "--out"), "--out"), (("X", "--out", "Y", "--wrong"), "wrong"),
    (("X", "--out", "Y", "w=5", "h=5"), "twice"), (("X", "--out", "Y", "--jobs", "0"), "--jobs"),
    (("X", "--out", "Y", "widht=5"), "widht"), (("X", "--out", "Y", "--outputs", "nope"), "nope"),
])
def test_wrong_words(tmp_path, words, said):
    run = batch(*words, cwd=tmp_path)
    assert run.returncode == 2 and said in run.stderr and run.stdout == "", run.stderr


def test_what_is_not_there(tmp_path):
    run = batch("nowhere", "--out", "out", "w=5", cwd=tmp_path)
    assert run.returncode == 1 and "nowhere: No such file" in run.stderr
    run = batch(tmp_path, "--out", "/proc/out", "w=5")
    assert run.returncode == 1 and "/proc/out" in run.stderr
    (tmp_path / "empty").mkdir()
    assert last(batch("empty", "--out", "out", "w=5", cwd=tmp_path)).startswith("0 done, 0 up to date, 0 failed, of 0")


def test_a_file_that_kills_its_worker_costs_that_file(photos, tmp_path):
    run = batch(photos, "--out", tmp_path / "out", "x-test=crash", program=BUILD / "test" / "pixpool")
    assert run.returncode == 1 and run.stdout.count("the worker died on this image") == 4
    assert last(run).startswith("0 done, 0 up to date, 5 failed")


def test_a_bar_on_a_terminal(photos, tmp_path):
    master, slave = pty.openpty()
    run = subprocess.Popen([BUILD / "pixpool", "batch", photos, "--out", tmp_path / "out", "w=60"], stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    try:
        while more := os.read(master, 4096):
            text += more
    except OSError:
        pass  # how a terminal ends
    assert run.wait(30) == 1
    text = text.decode()
    assert re.search(r"\r\x1b\[K\[#+\.*\] \d/5  [\d.]+/s  [\d:?]+ left", text), text
    assert "[" + "#" * 30 + "] 5/5" in text and "1 failed" in text and "failed " + str(photos / "deep" / "broken.jpg") in text


def test_an_interrupt_ends_it_cleanly_and_the_next_run_goes_on(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scene((1200, 900)).save(photos / "00.png", compress_level=1)
    for i in range(1, 30):
        os.link(photos / "00.png", photos / f"{i:02}.png")
    run = subprocess.Popen([BUILD / "pixpool", "batch", photos, "--out", out, "--jobs=1", "effort=7"], text=True,
                           stdout=subprocess.PIPE, start_new_session=True)
    assert wait_until(lambda: out.exists() and len(results(out)) >= 2, 20)
    os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does
    text, _ = run.communicate(timeout=20)
    assert run.returncode == 130 and text.splitlines()[-1].startswith("interrupted: ")
    assert session_processes(run.pid) == []
    made = results(out)
    assert 2 <= len(made) < 30
    for f in made:
        assert re.fullmatch(r"\d\d\.png", f), f
        Image.open(out / f).load()
    rest = batch(photos, "--out", out, "--jobs=2", "effort=7")
    assert rest.returncode == 0 and last(rest).startswith(f"{30 - len(made)} done, {len(made)} up to date, 0 failed")
    assert len(results(out)) == 30
