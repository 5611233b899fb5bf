"""The WebUI's page in Chromium: where the controls are, when they are visible, and what they do."""

import re

import pytest

from tcd_sampler import messages

from .jobs import CAPTION, Jobs
from .page import Page
from .selection import long, needs

SENTENCE = messages.BAD_GAMMA.format(field="TCD gamma", value=1.1)


@pytest.mark.parametrize("tab", ["txt2img", "img2img"])
def test_the_slider_is_visible_when_tcd_is_selected(page, tab):
    page.tab(tab)
    page.see(f"{tab}_tcd_gamma", seen=False)
    page.choose(f"{tab}_sampling", "TCD")
    page.see(f"{tab}_tcd_gamma")
    assert float(page.number(f"{tab}_tcd_gamma").input_value()) == 0.3
    steps, gamma = page(f"{tab}_steps").bounding_box(), page(f"{tab}_tcd_gamma").bounding_box()
    below = page(f"{tab}_width").bounding_box()
    assert steps["y"] + steps["height"] - 1 <= gamma["y"] < below["y"]
    page.choose(f"{tab}_sampling", "Euler a")
    page.see(f"{tab}_tcd_gamma", seen=False)


def test_a_preset_alone_generates_what_the_caption_describes(miniature, page):
    page.choose("txt2img_sampling", "TCD")
    page("txt2img_prompt").locator("textarea").fill(CAPTION)
    page("txt2img_tcd_apply").click()
    page.wait_for_text(messages.ADDED.format(preset="TCD, 4 steps", lora="miniature-tcd-lora"))
    for name, value in (("width", 128), ("height", 128), ("seed", 5)):
        page.set_number(f"txt2img_{name}", value)
    page.generate()
    assert "Model: miniature, TCD gamma: 0.3" in page("html_info_txt2img").first.inner_text()


@pytest.fixture
def tcd_for_xl(webui):
    """Makes TCD the sampler of the UI preset xl in Forge and Neo."""
    needs(setting := webui.component("setting_xl_t2i_sampler"), "UI presets")
    preset = webui.get("/sdapi/v1/options")["forge_preset"]
    assert webui.post("/sdapi/v1/options", {"xl_t2i_sampler": "TCD"})[0] == 200
    yield
    before = {"xl_t2i_sampler": setting["value"], "forge_preset": preset}
    assert webui.post("/sdapi/v1/options", before)[0] == 200


def test_the_slider_follows_the_ui_preset(tcd_for_xl, page):
    for preset, is_seen in (("xl", True), ("sd", False), ("xl", True), ("flux", False)):
        page.choose_ui_preset(preset)
        page.see("txt2img_tcd_gamma", seen=is_seen)


@long
def test_each_control_exists_once_per_tab(page):
    for elem_id in ("txt2img_tcd_gamma", "txt2img_tcd_hires_gamma", "img2img_tcd_gamma", "img2img_tcd_hires_gamma"):
        assert page(elem_id).count() == 1
    labels = [component["props"].get("label") for component in page.webui.get("/config")["components"]]
    assert labels.count("TCD gamma") == labels.count("TCD hires gamma") == 2


def test_the_hires_field_follows_the_hires_sampler(page):
    page.open_hires_fix()
    page.choose("txt2img_sampling", "TCD")
    page.see("txt2img_tcd_hires_gamma")
    assert page("txt2img_tcd_hires_gamma").locator("input").input_value() == "same"
    page.choose("hr_sampler", "Euler a")
    page.see("txt2img_tcd_hires_gamma", seen=False)
    page.see("txt2img_tcd_gamma")
    page.choose("txt2img_sampling", "Euler a")
    page.see("txt2img_tcd_gamma", seen=False)
    page.choose("hr_sampler", "TCD")
    page.see("txt2img_tcd_gamma")
    page.see("txt2img_tcd_hires_gamma")


def test_an_image_is_generated_with_the_sliders_gamma(page):
    page.generate_with_tcd(0.65)
    infotext = page("html_info_txt2img").first.inner_text()
    assert "Sampler: TCD" in infotext
    assert "TCD gamma: 0.65" in infotext


INFOTEXT = "a house\nSteps: 4, Sampler: TCD, Schedule type: TCD, CFG scale: 1, Seed: 7, Size: 128x128"


@pytest.mark.parametrize(
    ("tab", "infotext"),
    [
        pytest.param("txt2img", INFOTEXT, marks=long, id="txt2img"),
        pytest.param("img2img", INFOTEXT, id="img2img"),
        pytest.param("txt2img", INFOTEXT.replace("Schedule type: TCD, ", ""), id="of a webui without schedules"),
    ],
)
def test_a_pasted_infotext_restores_gamma(page, tab, infotext):
    page.tab(tab)
    page.paste(f"{infotext}, TCD gamma: 0.85", tab)
    page.see(f"{tab}_tcd_gamma")
    page.see_gamma(tab, 0.85)
    assert page(f"{tab}_sampling").locator("input").input_value() == "TCD"
    overrides = page(f"{tab}_override_settings").inner_text()
    assert "Schedule type" not in overrides  # it would stay in force for other samplers
    if page(f"{tab}_scheduler").count():  # a setting of one host hides it, and some hosts do not have it
        assert page(f"{tab}_scheduler").locator("input").input_value() == "Automatic"


def test_a_bad_pasted_gamma_is_reported(page):
    page.choose("txt2img_sampling", "TCD")
    page.paste(f"{INFOTEXT}, TCD gamma: 1.1")
    page.page.get_by_text(SENTENCE).wait_for()
    assert float(page.number("txt2img_tcd_gamma").input_value()) == 0.3


def test_a_flow_model_is_reported(page, webui):
    page.generate_with_tcd(0.3)  # loads the model
    action = "flow-prediction" if webui.has_predictors else "flow"
    page("txt2img_prompt").locator("textarea").fill(f"probe:{action}")
    assert messages.NOT_A_DIFFUSION_MODEL in page.generate()
    page("txt2img_prompt").locator("textarea").fill(CAPTION)
    assert messages.NOT_A_DIFFUSION_MODEL not in page.generate()
    assert "TCD gamma: 0.3" in page("html_info_txt2img").first.inner_text()


def test_a_bad_hires_gamma_is_reported(page):
    page.choose("txt2img_sampling", "TCD")
    page.open_hires_fix()
    page.see("txt2img_tcd_hires_gamma")
    field = page("txt2img_tcd_hires_gamma").locator("input")
    field.fill("high")
    field.press("Enter")
    page.make_small()
    said = page.generate()
    assert messages.BAD_HIRES_GAMMA.format(field="TCD hires gamma", value="'high'") in said
    assert "BadInput" not in said  # some pages show the name of an error's class
    field.fill("0.45")
    field.press("Enter")
    page.set_number("txt2img_hr_scale", 1)
    page.generate()
    assert "TCD hires gamma: 0.45" in page("html_info_txt2img").first.inner_text()


def test_png_info_sends_gamma(page, jobs, tmp_path):
    image = jobs.txt2img(0.15).images[0]
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("parameters", image.text["parameters"])
    image.save(tmp_path / "image.png", pnginfo=text)
    page.tab("PNG Info")
    page("pnginfo_image").locator("input[type=file]").set_input_files(tmp_path / "image.png")
    page.page.get_by_text(re.compile("TCD gamma: 0.15")).first.wait_for()
    page.page.locator("#tab_pnginfo #txt2img_tab, #tab_pnginfo button").get_by_text("Send to txt2img").click()
    page.see("txt2img_tcd_gamma")
    page.see_gamma("txt2img", 0.15)


def test_send_to_img2img_keeps_gamma(page):
    page.generate_with_tcd(0.75)
    page("txt2img_send_to_img2img").click()
    page.choose("img2img_sampling", "TCD")
    page.see("img2img_tcd_gamma")
    page.see_gamma("img2img", 0.75)


@long
def test_the_settings_page_has_the_default(page):
    page.open_settings()
    assert float(page.number("setting_tcd_default_gamma").input_value()) == 0.3


@long
def test_a_default_sampler_of_tcd_shows_the_slider_at_once(browser, start_webui, tmp_path):
    """The host sets users' own defaults after it has made all components. Here one of them is an integer."""
    defaults = {"sampler.py/txt2img/Sampling method": "TCD", "tcd.py/txt2img/TCD gamma": 1}
    with start_webui(ui_config={f"customscript/{name}/value": value for name, value in defaults.items()}) as webui:
        page = Page(browser.new_page(), webui)
        page.open()
        # the UI presets of some forks set the sampler
        needs(page.value("txt2img_sampling") == "TCD", "default sampler of the user's own")
        page.see("txt2img_tcd_gamma")
        page.see("img2img_tcd_gamma", seen=False)
        assert float(page.number("txt2img_tcd_gamma").input_value()) == 1
        page.page.close()
        jobs = Jobs(webui, tmp_path)
        assert "TCD gamma: 0.3" in jobs.txt2img().infotext
        if webui.can_paste:
            assert "TCD gamma: 0.65" in jobs.txt2img(infotext=f"{INFOTEXT}, TCD gamma: 0.65").infotext
