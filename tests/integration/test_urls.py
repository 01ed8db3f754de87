"""What a URL may ask for and how long: signatures, expiry, restrictions, dialects, presets, names of saved files."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from answers import image, problem
from client import http, multipart
from program import complaint, run

TOP = Path(__file__).resolve().parents[2]
VECTORS = json.loads((TOP / "tests/signing_vectors.json").read_text())
KEY, OLD = VECTORS["key"], "the-key-before"

# The examples of the documentation: what users copy has to work.
EXAMPLES = dict(re.findall(r"```(js|php|python)\n(.*?)```", (TOP / "docs/signing.md").read_text(), re.S))
scope = {}
exec(EXAMPLES["python"], scope)  # pylint: disable=exec-used
signed = scope["signed"]


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(signing_keys=f"main:{KEY}, old:{OLD}")


@pytest.fixture
def get(server):
    return lambda target, method="GET": http(method, server.url + target)


# Signatures.


def signed_by(language, url):
    """What the example makes of the URL."""
    call = f"{json.dumps(url)}, {json.dumps(KEY)}"
    if language == "python":
        return signed(url, KEY)
    if language == "js":
        argv = ["node", "-e", f"{EXAMPLES['js']}\nconsole.log(signed({call}))"]
    else:
        argv = ["php", "-r", f"{EXAMPLES['php']}\necho signed({call});"]
    return subprocess.check_output(argv, text=True, timeout=60).strip()


@pytest.mark.parametrize("language", [x for x, needs in (("python", "python3"), ("js", "node"), ("php", "php"))
                                      if shutil.which(needs)])
def test_the_documented_examples_agree(language):
    for row in VECTORS["vectors"][:: 1 if language == "python" else 3]:
        assert signed_by(language, row["url"]).endswith(f"s={row['s']}"), row["url"]


def test_the_command_line_agrees():
    keys = f"--signing_keys=main:{KEY}"
    urls = [row["url"] for row in VECTORS["vectors"] if "s=any" not in row["url"]]
    p = run("sign", keys, *urls)
    assert p.returncode == 0, p.err
    wanted = {row["url"]: row["s"] for row in VECTORS["vectors"]}
    for url, line in zip(urls, p.stdout.decode().splitlines()):
        assert line == url + ("&" if "?" in url else "?") + "s=" + wanted[url]
    for url in VECTORS["malformed"]:
        complaint(run("sign", keys, url), 1)


def test_the_command_line_names_the_key():
    keys = f"--signing_keys=main:{KEY},old:{OLD}"
    for args, key, name in (((), KEY, "main"), (("--key", "old"), OLD, "old"), (("--key=old",), OLD, "old")):
        p = run("sign", keys, *args, "https://example.org/img/photo.jpg?w=30#top")
        assert p.stdout.decode() == "https://example.org" + signed(f"/img/photo.jpg?w=30&k={name}", key) + "\n"
    assert "no key none" in complaint(run("sign", keys, "--key", "none", "/a"), 1)
    assert "not configured" in complaint(run("sign", "/a"), 1)
    assert "signed already" in complaint(run("sign", keys, "/a?s=x"), 1)
    assert "begins with a slash" in complaint(run("sign", keys, "img/a.jpg"), 1)
    assert "which URL" in complaint(run("sign", keys), 2)
    assert "expected id:key" in complaint(run("sign", "--signing_keys=x", "/a"), 1)


def test_a_signed_url_is_answered(get):
    for url in ("/img/photo.jpg", "/img/photo.jpg?w=30&h=20&fit=cover", "/img/w=30,h=20/photo.jpg",
                "/img/w=30/photo.jpg.webp", "/img/ein%20B%C3%A4r%20%26%20100%25.jpg?w=30", "/img/photo.jpg?flip&w=50%25"):
        assert image(get(signed(url, KEY)))
        assert get(signed(url, KEY), "HEAD").status == 200


def test_every_spelling_of_a_signed_url_is_answered(get):
    s = signed("/img/photo.jpg?h=20&w=30", KEY).split("s=")[1]
    for url in (f"/img/photo.jpg?w=30&h=20&s={s}", f"/img/photo.jpg?s={s}&h=20&w=30", f"/img/%70hoto.jpg?h=20&w=%330&s={s}",
                f"/img/photo.jpg?h=20&&w=30&sig={s}"):
        assert image(get(url)).size == (30, 20), url


@pytest.mark.parametrize("change", [("w=30", "w=31"), ("photo", "grey"), ("&h=20", ""), ("h=20", "h=20&q=5"),
                                    ("h=20", "h=20&utm_source=x"), ("s=", "s=A"), ("w=30", "W=30&w=30")])
def test_a_changed_url_is_not(get, change):
    url = signed("/img/photo.jpg?w=30&h=20", KEY).replace(*change)
    if "W=" in url:
        problem(get(url), 400, "option_unknown", "W")
    else:
        assert "what is signed here is /img/" in problem(get(url), 403, "signature_wrong")["detail"]


def test_what_is_not_signed_at_all(get, server):
    problem(get("/img/photo.jpg?w=30"), 403, "signature_missing")
    problem(get("/img/photo.jpg?w=30&s="), 403, "signature_missing")
    problem(get("/img/nothing.jpg"), 403, "signature_missing")  # before anything is looked for
    assert get("/img/photo.jpg", "HEAD").status == 403
    problem(get("/img/w=30,s=abc/photo.jpg"), 400, "option_clash", "s")
    assert get("/api/options").status == 200 and get("/healthz").status == 200
    body, kind = multipart([("file", (server.root / "photo.jpg").read_bytes(), "photo.jpg", "image/jpeg")])
    assert http("POST", f"{server.url}/api/images/process?w=20", body, {"Content-Type": kind}).status == 200


def test_malformed_urls_are_400(get):
    for path in ("sub//deep/leaf.jpg", "sub%2F%2Fdeep/leaf.jpg", "sub/%2e%2e/photo.jpg"):
        problem(get(f"/img/{path}?s=x"), 400, "path_malformed")
    problem(get("/img/photo.jpg?w=%zz&s=x"), 400, "option_malformed", "w")


def test_keys_rotate(get):
    assert get(signed("/img/photo.jpg?w=30", OLD)).status == 200
    assert get(signed("/img/photo.jpg?w=30&k=old", OLD)).status == 200
    for url, key in (("w=30&k=main", OLD), ("w=30&k=old", KEY), ("w=30&k=none", KEY)):
        problem(get(signed(f"/img/photo.jpg?{url}", key)), 403, "signature_wrong")


def test_a_signature_changes_no_picture(get):
    plain, with_key = (get(signed(f"/img/photo.jpg?w=30{k}", KEY)) for k in ("", "&k=main"))
    assert plain.headers["ETag"] == with_key.headers["ETag"]


def test_info_is_signed_as_images_are(get):
    url = "/api/images/info?src=photo.jpg"
    problem(get(url), 403, "signature_missing")
    problem(get(signed(url, KEY).replace("photo", "grey")), 403, "signature_wrong")
    problem(get(signed(url + "&expires=1000", KEY)), 410, "expired")
    assert get(signed(url + "&k=main", KEY)).json()["width"] == 1200
    soon = get(signed(f"{url}&expires={int(time.time()) + 60}", KEY))
    assert int(soon.headers["Cache-Control"].split("max-age=")[1]) <= 60
    problem(get(url + "&expires=soon"), 400, "option_malformed", "expires")


# Expiry.


def test_expiry(get, pixpool):
    now = int(time.time())
    fresh = get(signed(f"/img/photo.jpg?w=30&expires={now + 100}", KEY))
    assert 90 <= int(fresh.headers["Cache-Control"].split("max-age=")[1]) <= 100
    long = get(signed(f"/img/photo.jpg?w=30&exp={now + 10**6}", KEY))
    assert long.headers["Cache-Control"] == "public, max-age=3600"
    problem(get(signed(f"/img/photo.jpg?w=30&expires={now - 2}", KEY)), 410, "expired")
    problem(get(signed(f"/img/photo.jpg?w=30&expires={now - 2}", KEY).replace(str(now - 2), str(now + 99))), 403, "signature_wrong")
    problem(http("GET", f"{pixpool.url}/img/photo.jpg?expires=1000"), 410, "expired")  # needs no signature
    problem(http("GET", f"{pixpool.url}/img/photo.jpg?expires=soon"), 400, "option_malformed", "expires")
    kept = http("GET", f"{pixpool.url}/img/photo.jpg?w=30&maxage=1d&expires={now + 500}")
    assert int(kept.headers["Cache-Control"].split("max-age=")[1]) <= 500
    again = http("GET", f"{pixpool.url}/img/photo.jpg?w=30&maxage=1d&expires={now + 600}",
                 headers={"If-None-Match": kept.headers["ETag"]})
    assert again.status == 304  # how long a picture is to be had does not change it


# Restrictions.


def test_allowed_options_and_sizes(start_pixpool):
    p = start_pixpool(allowed_options="w, h, fit", allowed_sizes="300x200, 64")
    assert image(http("GET", f"{p.url}/img/photo.jpg?w=300&h=200")).size == (300, 200)
    assert image(http("GET", f"{p.url}/img/w=64/photo.jpg")).size == (64, 43)
    refusal = problem(http("GET", f"{p.url}/img/photo.jpg?w=300&q=50"), 400, "option_not_allowed", "q")
    assert "only w, h, fit" in refusal["detail"]
    refusal = problem(http("GET", f"{p.url}/img/w=301/photo.jpg"), 400, "option_not_allowed", "w")
    assert "300x200, 64" in refusal["detail"]
    problem(http("GET", f"{p.url}/img/w=64/photo.jpg.webp"), 400, "option_not_allowed", "format")
    body, kind = multipart([("file", (p.root / "photo.jpg").read_bytes(), "photo.jpg", "image/jpeg"), ("width", "65")])
    problem(http("POST", f"{p.url}/api/images/process", body, {"Content-Type": kind}), 400, "option_not_allowed", "w")


def test_only_presets(start_pixpool, tmp_path):
    conf = tmp_path / "p.conf"
    conf.write_text("only_presets = 1\n[preset]\nthumb = w=40,h=40,fit=cover\nwide = w=90&q=50\n")
    p = start_pixpool(config=conf)
    assert image(http("GET", f"{p.url}/img/photo.jpg?preset=thumb")).size == (40, 40)
    assert image(http("GET", f"{p.url}/img/p=wide/photo.jpg")).size == (90, 60)
    refusal = problem(http("GET", f"{p.url}/img/photo.jpg?w=40"), 400, "option_not_allowed", "w")
    assert "thumb, wide" in refusal["detail"]
    assert "required" in problem(http("GET", f"{p.url}/img/photo.jpg"), 400, "option_not_allowed", "preset")["detail"]


def test_limits_of_the_operator(start_pixpool):
    p = start_pixpool(max_side_out=500, max_pixels_in="900K")
    refusal = problem(http("GET", f"{p.url}/img/plain.png?w=501&enlarge=1"), 422, "limit")
    assert "allowed 500 a side" in refusal["detail"]
    refusal = problem(http("GET", f"{p.url}/img/photo.jpg?w=50"), 422, "limit")
    assert "1200x800" in refusal["detail"] and "900000" in refusal["detail"]


@pytest.mark.parametrize("key, says", [("allowed_options=w,hight", "the nearest known name is height"),
                                       ("allowed_sizes=big", "\"big\" is no size"),
                                       ("admin_allow=localhost", "\"localhost\" is no network"),
                                       ("signing_keys=secret", "expected id:key")])
def test_lists_that_cannot_be_read_stop_the_start(tmp_path, key, says):
    assert says in complaint(run("serve", f"--listen=unix:{tmp_path}/s", f"--{key}"), 1)
    p = run("check", f"--listen=unix:{tmp_path}/s", f"--{key}")
    assert p.returncode == 1 and says in p.stdout.decode() + p.err


# Dialects and presets.


@pytest.mark.parametrize("dialect, wanted", [
    ("imgix", {"w=100&h=100&fit=fill": (100, 100), "w=100&h=100&fit=clip": (100, 67), "w=1300&fit=clip": (1300, 867),
               "w=1300&fit=max": (1200, 800)}),
    ("cloudflare", {"w=100&h=100&fit=contain": (100, 67), "w=1300&h=1300&fit=scale-down": (1200, 800)}),
    ("glide", {"w=100&h=100&fit=contain": (100, 67), "w=100&h=100&fit=fill": (100, 100)}),
])
def test_dialects(start_pixpool, dialect, wanted):
    p = start_pixpool(fit_dialect=dialect)
    for options, size in wanted.items():
        assert image(http("GET", f"{p.url}/img/photo.jpg?{options}")).size == size, options


def test_a_preset_s_contents_are_in_the_etag(start_pixpool, sample_images, tmp_path):
    def tag(options):
        conf = tmp_path / "p.conf"
        conf.write_text(f"[preset]\nthumb = {options}\n")
        p = start_pixpool(config=conf, image_root=sample_images)
        return http("HEAD", f"{p.url}/img/grey.jpg?preset=thumb").headers["ETag"]

    one, other, same = tag("w=40"), tag("w=41"), tag("width=40&enlarge=0")
    assert one != other and one == same


# Names of saved files.


@pytest.mark.parametrize("options, says", [
    ("", None),
    ("dl=1", 'attachment; filename="photo.jpg"'),
    ("dl", 'attachment; filename="photo.jpg"'),
    ("dl=1&format=webp", 'attachment; filename="photo.webp"'),
    ("filename=beach", 'inline; filename="beach.jpg"'),
    ("dl=1&filename=beach.png", 'attachment; filename="beach.jpg"'),
    ("dl=1&filename=a%22%0d%0aX-Evil:1", 'attachment; filename="a___X-Evil_1.jpg"'),
    ("dl=1&filename=B%C3%A4r", "attachment; filename=\"B_r.jpg\"; filename*=UTF-8''B%C3%A4r.jpg"),
])
def test_names(pixpool, options, says):
    answer = http("GET", f"{pixpool.url}/img/photo.jpg?w=30&{options}")
    assert answer.status == 200 and answer.headers["Content-Disposition"] == says
    assert answer.headers["X-Evil"] is None
    assert http("HEAD", f"{pixpool.url}/img/photo.jpg?w=30&{options}").headers["Content-Disposition"] == says


def test_names_of_uploads(pixpool):
    data = (pixpool.root / "photo.jpg").read_bytes()
    body, kind = multipart([("file", data, "C:\\\\pictures\\\\me.jpeg", "image/jpeg"), ("dl", "1")])
    answer = http("POST", f"{pixpool.url}/api/images/process?w=30", body, {"Content-Type": kind})
    assert answer.status == 200 and answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "\\" not in answer.headers["Content-Disposition"]
