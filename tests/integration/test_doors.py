"""Every option of /api/options through every door of the real program: query, path, preset, form field, JSON and command
line have to give the same picture. New rows of the table are covered by being there."""

import json
from urllib.parse import quote

import pytest
from PIL import Image

from client import http, multipart
from program import run

LIKELY = ["1", "3", "0.7", "45", "50p", "red", "2,3", "1,2,20,20", "1d", "h", "max", "3,red", "2000000000", "a b,c"]
NEEDED = {"cx": "cw=9&ch=9", "cy": "cw=9&ch=9", "cw": "ch=9", "ch": "cw=9"}  # parts of rect mean nothing alone
NOT_IN_PATHS = {"format", "s"}
PER_ROW = 2  # of numbered rows (mark.1) one


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """Small, with an alpha channel and something in it, so that most options change something."""
    im = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    im.paste((200, 30, 60), (5, 5, 20, 15))
    im.putalpha(Image.linear_gradient("L").rotate(90).resize((40, 30)))
    path = tmp_path_factory.mktemp("doors") / "a.png"
    im.save(path)
    return path


def get(p, options, path="img"):
    return http("GET", f"{p.url}/{path}/a.png?{options}")


def pair(name, value):
    return f"{name}={quote(value, safe='')}"


def with_needed(name, options):
    return f"{options}&{NEEDED[name]}" if name in NEEDED else options


def accepted(p, row):
    """Some values that the option takes, in a picture that can be made."""
    bounds = [f"{row[b]:.15g}" for b in ("min", "max") if row[b] is not None]
    found = []
    for value in (row["values"] or [])[1:] + bounds + LIKELY:
        if len(found) < (1 if "." in row["name"] else PER_ROW) and get(p, with_needed(row["name"], pair(row["name"], value))).status == 200:
            found.append(value)
    return found


@pytest.fixture(scope="module")
def rows(start_pixpool_module, picture):
    """(row, value) for all options but preset, which is a door itself."""
    p = start_pixpool_module(image_root=picture.parent)
    table = [r for r in http("GET", f"{p.url}/api/options").json() if r["name"] != "preset"]
    found = [(row, value) for row in table for value in accepted(p, row)]
    without = {r["name"] for r in table} - {row["name"] for row, _ in found}
    # These need something in the configuration, or the right of an operator: tests of their own know about that.
    assert {n.split(".")[0] for n in without} <= {"mark", "txt", "explain"}, f"no value works for {without}; add one that does to LIKELY"
    return found


@pytest.fixture(scope="module")
def server(start_pixpool_module, picture, rows):
    conf = picture.parent.parent / "doors.conf"
    presets = [f"p{i} = {with_needed(row['name'], pair(row['name'], value))}&" for i, (row, value) in enumerate(rows)]
    conf.write_text("[preset]\n" + "\n".join(presets) + "\n")
    return start_pixpool_module(image_root=picture.parent, config=conf)


def same(a, b, tag=True):
    assert (a.status, b.status) == (200, 200), (a.body[:300], b.body[:300])
    assert a.body == b.body and a.headers["Content-Type"] == b.headers["Content-Type"]
    assert not tag or a.headers["ETag"] == b.headers["ETag"]
    return True


def test_query_and_path_and_aliases(server, rows):
    for row, value in rows:
        name, plain = row["name"], get(server, with_needed(row["name"], pair(row["name"], value)))
        more = f"?{NEEDED[name]}" if name in NEEDED else ""
        if name not in NOT_IN_PATHS:
            path = f"{server.url}/img/{pair(name, value)}/a.png{more}"
            assert same(plain, http("GET", path)), path
            commas = f"{server.url}/img/{name}={quote(value, safe=',')}/a.png{more}"
            assert same(plain, http("GET", commas)), commas
        for alias in row["aliases"]:
            if alias != "we":  # enlarge the other way round
                assert same(plain, get(server, with_needed(name, pair(alias, value)))), alias


def test_presets(server, rows):
    for i, (row, value) in enumerate(rows):
        plain = get(server, with_needed(row["name"], pair(row["name"], value)))
        assert same(plain, get(server, f"preset=p{i}")), (row["name"], value)


def upload(server, picture, query="", fields=()):
    body, kind = multipart([*fields, ("file", picture.read_bytes(), "a.png", "image/png")])
    return http("POST", f"{server.url}/api/images/process?{query}", body, {"Content-Type": kind})


def as_json(value):
    try:
        return json.loads(value)
    except ValueError:
        return [as_json(x) for x in value.split(",")] if "," in value else value


def test_forms_and_json(server, rows, picture):
    for row, value in rows:
        name = row["name"]
        needed = [tuple(x.split("=")) for x in NEEDED.get(name, "").split("&") if x]
        plain = get(server, with_needed(name, pair(name, value)))
        if not plain.headers["Content-Type"].startswith("image/"):
            continue
        operations = json.dumps({name: as_json(value), **dict(needed)})
        assert same(plain, upload(server, picture, with_needed(name, pair(name, value))), tag=False), (name, value)
        assert same(plain, upload(server, picture, fields=[(name, value), *needed]), tag=False), (name, value)
        assert same(plain, upload(server, picture, fields=[("operations", operations)]), tag=False), operations


def test_the_command_line(server, rows, picture, tmp_path):
    """Thirty outputs a run, all from one decode."""
    wanted = []
    for row, value in rows:
        options = with_needed(row["name"], pair(row["name"], value))
        plain = get(server, options)
        if value != "auto" and plain.headers["Content-Type"].startswith("image/"):
            extension = plain.headers["Content-Type"].split("/")[1]
            wanted.append((tmp_path / f"{len(wanted)}.{extension}", options.replace("&", ","), plain.body))
    for at in range(0, len(wanted), 30):
        words = [w for out, options, _ in wanted[at : at + 30] for w in ("-o", out, options)]
        p = run("process", picture, *words, "--quiet")
        assert p.returncode == 0, p.err
    for out, options, body in wanted:
        assert out.read_bytes() == body, options
