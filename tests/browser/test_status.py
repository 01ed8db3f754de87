"""/status in a real browser, with something to see: a queue, refusals, a slow request, a crash."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import http
from conftest import BUILD
from test_page import PHONE, browser, console_errors, wait  # noqa: F401

TOKEN = "a-secret-that-nobody-reads"


@pytest.fixture(scope="module")
def house(start_pixpool_module):
    p = start_pixpool_module(test_build=True, workers=2, queue=6, slow_ms=20, api_token=TOKEN)
    photo = f"{p.url}/img/photo.jpg"
    assert http("GET", f"{photo}?w=40&x-test=crash").status == 500
    assert http("GET", f"{photo}?w=40&x-test=open").status == 500
    assert http("GET", f"{p.url}/img/broken/text.jpg?w=40").status == 415
    return p


def load(p, n=60):
    """Enough at once that some are refused."""
    with ThreadPoolExecutor(16) as ex:
        urls = [f"{p.url}/img/photo.jpg?w={50 + i}&x-test=busy" for i in range(n)]
        return [a.status for a in ex.map(lambda u: http("GET", u), urls)]


def rows(driver, table):
    """At one moment: the page replaces them every second."""
    return driver.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(r => [...r.cells].map(c => c.innerText.trim()))",
        table)


def test_the_page_shows_what_happens(house, browser):
    browser.get(f"{house.url}/status")
    wait(browser, lambda: len(rows(browser, "workers")) == 2)
    assert 503 in load(house)
    wait(browser, lambda: "queue" in str(rows(browser, "refusals")), "refusals with their reason")
    wait(browser, lambda: any(r[2] == "SIGSEGV" for r in rows(browser, "deaths")), "crashes with their signal")
    assert any(r[2] == "SIGSYS" for r in rows(browser, "deaths"))
    recent = rows(browser, "recent")
    assert any("x-test=busy" in r[2] for r in recent) and any(r[1] == "500" for r in recent)
    told = http("GET", f"{house.url}/status.json").json()["sandbox"]
    assert f"sandbox strict: {told['workers']}" in browser.find_element("id", "about").text
    stages = {r[0]: r for r in rows(browser, "stages")}
    assert set(stages) == {"queue", "read", "decode", "transform", "encode", "write", "total"}
    assert re.fullmatch(r"[\d.]+ m?s", stages["total"][4])
    assert [r[0] for r in rows(browser, "lanes")] == ["interactive", "upload", "batch"]
    for chart in ("queue", "throughput", "latency", "memory"):
        wait(browser, lambda: browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].some(p => p.getAttribute('d').length > 40)",
            f"#chart-{chart} path"), f"{chart} is drawn")
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert asked and set(asked) == {f"{house.url}/status.json"}, "it needs nobody else"
    assert console_errors(browser) == []
    for _ in range(3):
        load(house, 40)
    keep(browser, "status")
    assert (BUILD / "reports" / "status.png").stat().st_size > 20000


def test_secrets_stay_secret(house, browser):
    browser.get(f"{house.url}/status")
    wait(browser, lambda: rows(browser, "workers"))
    browser.find_element("css selector", "#config-details summary").click()
    wait(browser, lambda: rows(browser, "config"))
    config = dict(rows(browser, "config"))
    assert (config["api_token"], config["queue"], config["slow_ms"]) == ("(set)", "6", "20")
    assert TOKEN not in browser.page_source
    assert TOKEN not in http("GET", f"{house.url}/status.json").body.decode()


def test_on_a_phone_nothing_scrolls_sideways(house, browser):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        browser.get(f"{house.url}/status")
        wait(browser, lambda: rows(browser, "workers") and rows(browser, "recent"))
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.execute_script(wide) == 0
        keep(browser, f"status-phone-{scheme}")


def keep(driver, name):
    """A picture of the whole page beside the reports, for people."""
    reports = BUILD / "reports"
    reports.mkdir(exist_ok=True)
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {
        "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "scale": 1, **{k: size[k] for k in ("width", "height")}}})
    (reports / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def test_only_operators_may_look(start_pixpool):
    p = start_pixpool(admin_allow="192.0.2.1")
    for path in ("/status", "/status.json", "/metrics"):
        assert http("GET", p.url + path).status == 403
