"""The page in a real browser: pictures load, an upload comes back, errors are told, and a phone can show it."""

import shutil
import tempfile
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
GALLERY = '["photo.jpg", "alpha.png", "still.webp", "ein Bär & 100%.jpg", "turned.jpg"]'


@pytest.fixture(scope="module")
def site(start_pixpool_module):
    """The page over the harness's images; make run's own list of them is tested in test_run.py."""
    spool = Path(tempfile.mkdtemp(prefix="pixpool-spool-"))
    p = start_pixpool_module(cache=True, spool_dir=spool)
    (p.dir / "www" / "gallery.json").write_text(GALLERY)
    yield p
    shutil.rmtree(spool, ignore_errors=True)


@pytest.fixture
def browser():
    profile = tempfile.mkdtemp(prefix="pixpool-chromium-")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--window-size=1280,900", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_page_load_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def wait(browser, condition, message=""):
    return WebDriverWait(browser, 20, 0.1).until(lambda _: condition(), message)


def loaded(browser, selector):
    """Natural widths of the images, 0 for one that is not there (yet) or broken."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(i => i.complete ? i.naturalWidth : 0)", selector
    )


def open_page(browser, site):
    browser.get(site.url + "/")
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#pictures img"), "no gallery")


def scroll_to_the_end(browser):
    browser.execute_script("document.querySelectorAll('#pictures img').forEach(i => i.scrollIntoView())")


def console_errors(browser):
    return [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]


def facts(browser, place):
    terms = browser.find_elements(By.CSS_SELECTOR, f"{place} .facts dt")
    return {t.text: t.find_element(By.XPATH, "following-sibling::dd").text for t in terms}


def shown_size(browser, place):
    return tuple(browser.execute_script(
        "const i = document.querySelector(arguments[0] + ' .picture img'); return [i.naturalWidth, i.naturalHeight]",
        place,
    ))


def test_the_gallery_really_shows_pictures(browser, site):
    open_page(browser, site)
    scroll_to_the_end(browser)
    wait(browser, lambda: all(loaded(browser, "#pictures img")), "a thumbnail is missing")
    assert len(loaded(browser, "#pictures img")) == 5
    wait(browser, lambda: browser.find_element(By.ID, "state-text").text == "ready")
    assert console_errors(browser) == []


def test_an_upload_comes_back_in_the_size_asked_for(browser, site, tmp_path):
    Image.radial_gradient("L").resize((900, 600)).convert("RGB").save(tmp_path / "own picture.jpg")
    open_page(browser, site)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "own picture.jpg"))
    form = browser.find_element(By.ID, "upload")
    for name, value in (("w", "300"), ("h", "300")):
        form.find_element(By.NAME, name).clear()
        form.find_element(By.NAME, name).send_keys(value)
    Select(form.find_element(By.NAME, "fit")).select_by_visible_text("cover")
    Select(form.find_element(By.NAME, "format")).select_by_value("webp")
    form.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait(browser, lambda: facts(browser, "#upload-result"), "no result")
    told = facts(browser, "#upload-result")
    assert shown_size(browser, "#upload-result") == (300, 300)
    assert (told["Size"], told["Format"]) == ("300 × 300", "WEBP")
    assert told["Source"].startswith("900 × 600")
    assert browser.find_elements(By.CSS_SELECTOR, "#upload-result .stages li"), "the stages' times"
    line = browser.find_element(By.CSS_SELECTOR, "#upload-result code").text
    assert line.startswith("curl -F 'file=@own picture.jpg' ") and "w=300" in line and line.endswith("result.webp")
    assert console_errors(browser) == []


def test_a_text_file_is_refused_in_words(browser, site, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear image service,\n" * 30)
    open_page(browser, site)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "letter.txt"))
    browser.find_element(By.CSS_SELECTOR, "#upload button[type=submit]").click()
    problem = browser.find_element(By.CSS_SELECTOR, "#upload-result .problem")
    wait(browser, lambda: problem.is_displayed(), "no error is shown")
    assert len(problem.text.split()) > 3 and "{" not in problem.text
    assert not browser.find_element(By.CSS_SELECTOR, "#upload-result .shown").is_displayed()


def test_a_picture_opens_and_its_url_follows_the_options(browser, site):
    open_page(browser, site)
    browser.find_element(By.CSS_SELECTOR, "#pictures button").click()
    wait(browser, lambda: shown_size(browser, "#playground-result") == (800, 533), "not opened")
    url = browser.find_element(By.CSS_SELECTOR, "#playground-result code")
    assert url.text == f"{site.url}/img/photo.jpg?w=800&format=auto"
    assert facts(browser, "#playground-result")["Format"] == "WEBP", "what this browser takes"
    width = browser.find_element(By.CSS_SELECTOR, "#options [name=w]")
    width.clear()
    width.send_keys("240")
    wait(browser, lambda: shown_size(browser, "#playground-result") == (240, 160), "the option was not followed")
    assert url.text == f"{site.url}/img/photo.jpg?w=240&format=auto"
    assert console_errors(browser) == []


def test_a_name_with_spaces_and_signs_opens(browser, site):
    open_page(browser, site)
    browser.find_element(By.CSS_SELECTOR, "#pictures li:nth-child(4) button").click()
    wait(browser, lambda: shown_size(browser, "#playground-result")[0] == 240, "not opened")


def test_many_images_as_a_background_job(browser, site, tmp_path):
    for i in range(6):
        Image.radial_gradient("L").resize((900 + i, 600)).convert("RGB").save(tmp_path / f"{i}.jpg")
    (tmp_path / "letter.jpg").write_text("Dear image service,\n" * 30)
    open_page(browser, site)
    browser.find_element(By.ID, "batch-files").send_keys("\n".join(map(str, sorted(tmp_path.iterdir()))))
    assert browser.find_element(By.ID, "batch-chosen").text.startswith("7 images, ")
    form = browser.find_element(By.ID, "batch")
    for name, value in (("w", "120"), ("h", "120")):
        form.find_element(By.NAME, name).clear()
        form.find_element(By.NAME, name).send_keys(value)
    form.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    said = browser.find_element(By.ID, "batch-state")
    wait(browser, lambda: said.text == "Done: 7 of 7, 1 failed", "the job does not end")
    bar = browser.find_element(By.ID, "batch-progress")
    assert (bar.get_property("value"), bar.get_property("max")) == (7, 7)
    browser.execute_script("document.querySelectorAll('#batch-items img').forEach(i => i.scrollIntoView())")
    wait(browser, lambda: loaded(browser, "#batch-items img") == [120] * 6, "results that load")
    failed = browser.find_elements(By.CSS_SELECTOR, "#batch-items .failed")
    assert len(failed) == 1 and "not supported" in failed[0].text
    assert not browser.find_element(By.ID, "batch-cancel").is_displayed()
    assert console_errors(browser) == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_scrolls_sideways(browser, site, dark):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    open_page(browser, site)
    scroll_to_the_end(browser)
    wait(browser, lambda: all(loaded(browser, "#pictures img")))
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) == 0
    browser.execute_script("document.querySelector('#pictures button').click()")
    wait(browser, lambda: shown_size(browser, "#playground-result")[0] > 0)
    inside = "const d = document.querySelector('#playground'); return d.scrollWidth - d.clientWidth"
    assert browser.execute_script(inside) == 0
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(int(n) for n in background[4:-1].split(",")) < 200) == dark
