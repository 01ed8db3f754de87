"""`make install`, as a package or an administrator uses it: what comes where, that it works there, and that
`make uninstall` leaves nothing of it."""

import os
import re
import shutil
import subprocess

import pytest
from PIL import Image

from client import fcgi_status
from conftest import BUILD, TOP

PREFIX = "/opt/pixpool"


def make(target, dest, **variables):
    words = [f"{k}={v}" for k, v in {"DESTDIR": dest, "PREFIX": PREFIX, **variables}.items()]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    p = subprocess.run(["make", "--no-print-directory", f"BUILD={BUILD}", *words, target], cwd=TOP, env=env,
                       capture_output=True, text=True, timeout=300)
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout


def files_below(top):
    return {str(p.relative_to(top)) for p in top.rglob("*") if not p.is_dir()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    dest = tmp_path_factory.mktemp("dest")
    make("install", dest)
    return dest


def at(dest, path):
    return dest / (PREFIX + path).lstrip("/")


def test_everything_is_in_its_place(installed):
    files = files_below(installed)
    for path in ("bin/pixpool", "share/man/man1/pixpool.1", "share/man/man5/pixpool.conf.5", "etc/pixpool/pixpool.conf",
                 "share/bash-completion/completions/pixpool", "lib/systemd/system/pixpool.service",
                 "lib/systemd/system/pixpool.socket", "lib/sysusers.d/pixpool.conf", "share/doc/pixpool/README.md",
                 "share/doc/pixpool/LICENSE", "share/doc/pixpool/THIRD-PARTY.md",
                 "share/doc/pixpool/conf/nginx/pixpool.conf", "share/doc/pixpool/docs/operations.md"):
        assert f"{PREFIX}/{path}".lstrip("/") in files
    assert all(f.startswith(PREFIX.lstrip("/")) for f in files)
    for f in files:
        mode = (installed / f).stat().st_mode & 0o777
        assert mode == (0o755 if f.endswith("bin/pixpool") else 0o644), f"{f} {mode:o}"


def test_nothing_names_another_place(installed):
    """Units and links: what is installed speaks of itself, not of /usr or the sources."""
    unit = at(installed, "/lib/systemd/system/pixpool.service").read_text()
    assert f"\nExecStart={PREFIX}/bin/pixpool serve --config {PREFIX}/etc/pixpool/pixpool.conf\n" in unit
    for f in files_below(installed):
        if f.endswith((".md", ".conf", ".service", ".socket", ".1", ".5")):
            assert str(TOP) not in (installed / f).read_text(), f
    doc = at(installed, "/share/doc/pixpool")
    for page in doc.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links {link}"


def test_the_program_serves_from_there(installed, start_pixpool, photo_file, tmp_path):
    program = at(installed, "/bin/pixpool")
    subprocess.run([program, "process", photo_file, "-o", tmp_path / "o.webp", "w=64", "--quiet"], check=True, timeout=60)
    assert Image.open(tmp_path / "o.webp").size[0] == 64
    p = start_pixpool(binary=program, config=at(installed, "/etc/pixpool/pixpool.conf"), nginx=False)
    assert fcgi_status(p.socket, "/readyz") == 200


@pytest.fixture
def photo_file(sample_images):
    return next(sample_images.rglob("*.jpg"))


def test_man_shows_both_pages(installed):
    for page in ("1", "pixpool.1"), ("5", "pixpool.conf.5"):
        path = at(installed, f"/share/man/man{page[0]}/{page[1]}")
        p = subprocess.run(["man", "--warnings=all", "-E", "UTF-8", "-l", path], capture_output=True, text=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "100"}, timeout=60)
        assert p.returncode == 0 and p.stderr == "" and "pixpool" in p.stdout and len(p.stdout) > 2000, p.stderr


def test_again_keeps_the_configuration(tmp_path):
    make("install", tmp_path)
    config = at(tmp_path, "/etc/pixpool/pixpool.conf")
    assert config.read_text() == (TOP / "conf/pixpool.conf").read_text()
    config.write_text("workers = 1\n")
    make("install", tmp_path)
    assert config.read_text() == "workers = 1\n"
    assert "was changed, and stays" in make("uninstall", tmp_path)
    assert files_below(tmp_path) == {str(config.relative_to(tmp_path))}


def test_uninstall_leaves_what_it_found(tmp_path):
    """Files of others, and directories of the system; nothing that is called pixpool."""
    other = tmp_path / "usr/share/doc/other/README"
    other.parent.mkdir(parents=True)
    other.write_text("not ours\n")
    make("install", tmp_path, PREFIX="/usr")
    assert (tmp_path / "etc/pixpool/pixpool.conf").exists()
    make("uninstall", tmp_path, PREFIX="/usr")
    assert files_below(tmp_path) == {"usr/share/doc/other/README"}
    assert [p for p in tmp_path.rglob("*") if "pixpool" in p.name] == []
    assert (tmp_path / "usr/bin").is_dir()


def test_only_the_destination_may_have_blanks(tmp_path):
    make("install", tmp_path / "a b")
    assert shutil.which(at(tmp_path / "a b", "/bin/pixpool"))
    make("uninstall", tmp_path / "a b")
    assert files_below(tmp_path) == set()
    with pytest.raises(AssertionError, match="can't have blanks"):
        make("install", tmp_path, PREFIX="/opt/my pixpool")
    assert files_below(tmp_path) == set()
