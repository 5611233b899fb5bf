"""Tests the demo's page in Chromium. Without Chromium, pytest's summary lists the tests as skipped."""

import re
import socket
import time
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.figures import SERVED
from tcd_sampler.lab.demo.generation import to_tensor
from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.demo.model import GuidedDenoiser
from tcd_sampler.lab.demo.page import EXAMPLES, launch
from tcd_sampler.lab.demo.strips import GAMMAS, STEPS
from tcd_sampler.lab.miniature.prompt import VOCABULARY
from tests.support.browser import has_browser, start_browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_browser(), reason="no Chromium: playwright install chromium brings one"),
]


@pytest.fixture(scope="module")
def browser():
    with start_browser(1200, 1000) as context:
        yield context


@pytest.fixture(scope="module")
def model():
    """The bundled miniature."""
    return load_miniature()


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = launch(model, port, tmp_path_factory.mktemp("images"))
    yield port
    page.close(verbose=False)


@pytest.fixture
def page(browser, server):
    """The page, after its automatic first generation was stopped."""
    page = open_page(browser, server)
    stop(page)
    yield page
    stop(page)  # nothing continues into the next test
    page.close()


def open_page(browser, server):
    page = browser.new_page()
    page.set_default_timeout(300_000)  # the machine may be busy
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"http://127.0.0.1:{server}/?__theme=light")
    page.locator(".strip img").first.wait_for()
    return page


def stop(page):
    page.locator("#stop").click()
    page.wait_for_function("() => /Stopped|Generated|must/.test(document.querySelector('#status').innerText)")


def fill(page, **fields):
    for name, value in fields.items():
        page.locator(f"#{name}").locator("textarea, input[type=number]").fill(value)


def generate(page, button, count):
    """Clicks a button, waits for its images and returns their settings."""
    before = get_sources(page)
    page.locator(button).click()
    page.wait_for_function(
        """([before, count]) => {
          const sources = [...document.querySelectorAll('.strip img')].map(image => image.getAttribute('src'));
          return sources.length === count && !sources.some(source => before.includes(source))
            && document.querySelector('#status').innerText.includes(`Generated ${count} images`);
        }""",
        arg=[before, count],
    )
    return page.locator(".strip pre").all_text_contents()


def get_sources(page):
    return page.locator(".strip img").evaluate_all("images => images.map(image => image.getAttribute('src'))")


def get_captions(page):
    return [text.strip() for text in page.locator(".strip figcaption").all_inner_texts()]


def test_samplers_side_by_side_on_the_same_noise(page):
    fill(page, prompt="a red ball in the middle, on sand, by day", steps="2", seed="12")
    settings = generate(page, "#compare", 4)
    assert get_captions(page) == ["TCD", "LCM", "Euler a", "DPM++ 2M"]
    for name, lora, text in zip(
        get_captions(page), (" <lora:miniature-tcd-lora:1>", " <lora:miniature-lcm-lora:1>", "", ""), settings
    ):
        assert text.startswith(f"a red ball in the middle, on sand, by day{lora}\nSteps: 2, Sampler: {name}, ")
        assert "Seed: 12, Size: 128x128, Model: miniature" in text
    assert settings[0].endswith("TCD gamma: 0.3")


def test_the_first_strips_are_generated_automatically_and_fit_every_width(browser, server, request, tmp_path):
    page = open_page(browser, server)
    page.get_by_text("Generated 16 images").wait_for()
    samplers = [f"{name}, {steps} steps" for name in ("TCD", "LCM") for steps in STEPS]
    assert get_captions(page) == [*samplers, *(f"gamma {gamma:g}" for gamma in GAMMAS)]
    assert [row.locator("img").count() for row in page.locator(".strip .row").all()] == [5, 5, 6]
    assert_the_sentences_are_true(page)
    for width in (320, 360, 768, 1280, 1920, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        assert page.evaluate(FIND_HIDDEN) == [], width
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.wait_for_timeout(1000)
    image = (request.config.getoption("--screenshots") or tmp_path) / "demo.png"
    page.screenshot(path=image, full_page=True)
    assert image.stat().st_size > 100_000
    page.close()


FIND_HIDDEN = """() => {
  // what is not whole in the page, or in a box around it that cuts off
  const parts = [...document.querySelectorAll('.strip img, .strip figcaption, .strip p, #examples button, #stop')];
  return parts.filter(part => {
    const box = part.getBoundingClientRect();
    if (box.width < 40 || box.height < 10 || box.left < 0 || box.right > innerWidth) return true;
    for (let outer = part.parentElement; outer; outer = outer.parentElement) {
      if (getComputedStyle(outer).overflowY === 'visible' || outer.contains(document.body)) continue;
      const frame = outer.getBoundingClientRect();
      if (box.bottom > frame.bottom + 1 || box.right > frame.right + 1) return true;
    }
    return part.scrollWidth > part.clientWidth + 1;
  }).map(part => part.outerHTML.slice(0, 100));
}"""


def assert_the_sentences_are_true(page):
    """Asserts what the page says of its first images: TCD has more detail than LCM, and gamma 0 than gamma 1."""
    detail = dict(zip(get_captions(page), map(get_detail, get_sources(page))))
    assert detail["TCD, 50 steps"] > 1.05 * detail["LCM, 50 steps"]
    assert detail["gamma 0"] > 1.05 * detail["gamma 1"]


def get_detail(source):
    """Returns the mean absolute Laplacian, which is high at edges and in textures."""
    with Image.open(unquote(source.removeprefix(SERVED))) as image:
        pixels = to_tensor(image).float().mean(0)
    inner = pixels[1:-1, 1:-1]
    return float((4 * inner - pixels[:-2, 1:-1] - pixels[2:, 1:-1] - pixels[1:-1, :-2] - pixels[1:-1, 2:]).abs().mean())


def test_the_gamma_strip(page):
    fill(page, steps="3")
    settings = generate(page, "#gamma-strip", len(GAMMAS))
    assert get_captions(page) == [f"gamma {gamma:g}" for gamma in GAMMAS]
    assert [re.search("TCD gamma: (.+)", text)[1] for text in settings] == [f"{gamma:g}" for gamma in GAMMAS]
    assert page.locator(".strip p").inner_text().startswith("Look at ")


def test_a_download_has_the_settings(page, tmp_path):
    fill(page, steps="1")
    settings = generate(page, "#compare", 4)
    with page.expect_download() as download:
        page.locator(".strip a").first.click()
    assert re.fullmatch(r"\d{5}-TCD\.png", download.value.suggested_filename)
    download.value.save_as(tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as image:
        assert image.size == (128, 128)
        assert image.text["parameters"] == settings[0]


def test_the_vocabulary_and_ignored_words(page):
    vocabulary = page.locator("#vocabulary").inner_text()
    assert all(word in vocabulary for words in VOCABULARY.values() for word in words)
    fill(page, prompt="a huge star", steps="1")
    settings = generate(page, "#compare", 4)
    assert settings[0].startswith("a red star in the middle, on grass, by day ")
    expected = "Ignored words: huge. Added: red, in the middle, on grass, by day."
    assert page.locator("#note").inner_text() == expected


def test_examples_are_complete_and_fill_the_prompt(page):
    buttons = page.locator("#examples button").filter(has_text=" on ")
    assert [text.strip() for text in buttons.all_inner_texts()] == EXAMPLES
    buttons.last.click()
    page.wait_for_function("text => document.querySelector('#prompt textarea').value === text", arg=EXAMPLES[-1])


def test_seed_minus_one_is_random_and_shown(page):
    seeds = set()
    for _ in range(2):
        fill(page, seed="-1", steps="1")
        settings = generate(page, "#compare", 4)
        [seed] = {re.search(r"Seed: (\d+)", text)[1] for text in settings}
        page.get_by_text(f"with seed {seed}.").wait_for()
        seeds.add(seed)
    assert len(seeds) == 2


def test_progress_is_shown_beside_the_buttons_and_images_stay_until_the_first_new_one(page, monkeypatch):
    before = get_sources(page)
    original = GuidedDenoiser.__call__
    monkeypatch.setattr(GuidedDenoiser, "__call__", lambda *args: time.sleep(0.4) or original(*args))
    page.locator("#compare").click()
    page.locator("#status").get_by_text(re.compile(r"[1-3]/16")).first.wait_for()
    assert get_sources(page) == before
    page.wait_for_function(
        "before => before !== document.querySelector('.strip img').getAttribute('src')", arg=before[0]
    )
    assert len(get_sources(page)) < 4
    assert page.locator("#images").get_by_text(re.compile(r"\d/16")).count() == 0
    monkeypatch.undo()
    page.get_by_text("Generated 4 images").wait_for()


def test_stop_ends_within_a_step_and_images_stay(page, monkeypatch):
    original = GuidedDenoiser.__call__
    monkeypatch.setattr(GuidedDenoiser, "__call__", lambda *args: time.sleep(0.2) or original(*args))
    page.locator("#compare").click()
    page.locator("#status").get_by_text(re.compile(r"LCM")).wait_for()
    page.locator("#stop").click()
    page.locator("#status").get_by_text("Stopped.").wait_for()
    sources = get_sources(page)
    page.wait_for_timeout(1000)
    assert get_sources(page) == sources
    assert len(sources) in (1, 2)


def test_a_new_request_replaces_the_running_one(page, monkeypatch):
    fill(page, steps="50")
    page.locator("#steps-strip").click()
    page.locator("#status").get_by_text(re.compile(r"\d/160")).first.wait_for()
    fill(page, steps="1")
    assert len(generate(page, "#compare", 4)) == 4


def test_an_error_stays_beside_the_buttons_and_leaves_the_images(page):
    count = page.locator(".strip img").count()
    for fields, sentence in (
        ({"seed": "99999999999"}, "seed must be a number from 0 to 4294967295, got 99999999999."),
        ({"seed": "1", "prompt": "an astronaut"}, "The prompt must name one or two of these things: ball, box, "),
    ):
        fill(page, **fields)
        page.locator("#compare").click()
        page.locator("#status").get_by_text(sentence).wait_for()
        page.wait_for_timeout(1000)
        assert page.locator("#status").get_by_text(sentence).is_visible()
        assert page.locator(".strip img").count() == count
    fill(page, prompt="a star", steps="1")
    generate(page, "#compare", 4)


def test_a_bug_has_its_traceback_in_the_terminal(page, monkeypatch, capfd):
    """test_command.py tests other exceptions."""
    monkeypatch.setattr("tcd_sampler.lab.demo.generation.get_size", lambda *_: {}["planted"])
    page.locator("#compare").click()
    page.get_by_text("Internal error: see the terminal.").first.wait_for()
    printed = capfd.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert "KeyError: 'planted'" in printed
    monkeypatch.undo()
    generate(page, "#compare", 4)


def test_sliders_have_their_range(page):
    ranges = [[box.get_attribute(name) for name in ("min", "max")] for box in page.locator("input[type=range]").all()]
    assert ranges == [["1", "50"], ["0", "1"]]


def test_the_page_loads_nothing_from_the_network_and_is_not_shared(page):
    fill(page, steps="1")
    generate(page, "#gamma-strip", len(GAMMAS))
    assert {urlsplit(url).hostname for url in page.asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert "share" not in page.locator("body").inner_text().lower()


def test_a_taken_port_is_reported_in_a_sentence(server, capsys):
    assert main(["--port", str(server)]) == 1
    said = rf"Port {server} cannot be used \(.*in use.*\). Choose another with --port.\n"
    assert re.fullmatch(said, capsys.readouterr().err)


def test_an_invalid_port_is_reported_in_a_sentence(capsys):
    assert main(["--port", "70000"]) == 1
    assert capsys.readouterr().err == "--port must be a number from 1 to 65535, got 70000.\n"
