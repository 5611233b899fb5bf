"""Takes the documentation's screenshots of the WebUI, one for each feature, and checks what they show.

With --screenshots docs, they replace the documentation's files.
"""

import pytest

from tcd_sampler import messages
from tcd_sampler.lab.miniature import CHECKPOINT, LORAS
from tcd_sampler.lab.miniature.install import install_loras

from .jobs import CAPTION
from .page import Page
from .selection import MINIATURE, long, needs

pytestmark = long

WIDTH = 1280
MARGIN = 12
LORA = LORAS["tcd"].stem
TAG = f"<lora:{LORA}:1>"
SCRIPTS = "txt2img_script_container #script_list"


@pytest.fixture
def save(request, tmp_path):
    """Saves the part of the page that contains some elements."""

    def save(page, name, *locators):
        page.page.mouse.move(0, 0)  # no button looks pressed
        boxes = [locator.first.bounding_box() for locator in locators]
        left, top = (min(box[side] for box in boxes) - MARGIN for side in "xy")
        right, end = (
            max(box[side] + box[size] for box in boxes) + MARGIN for side, size in (("x", "width"), ("y", "height"))
        )
        clip = {
            "x": max(left, 0),
            "y": max(top, 0),
            "width": min(right, WIDTH) - max(left, 0),
            "height": end - max(top, 0),
        }
        path = (request.config.getoption("--screenshots") or tmp_path) / f"{name}.png"
        page.page.screenshot(path=path, clip=clip)
        assert path.stat().st_size > 10_000

    return save


@pytest.fixture
def page(miniature, page):
    """The page with TCD selected, at the miniature's size."""
    page.page.set_viewport_size({"width": WIDTH, "height": 2000})
    page.choose("txt2img_sampling", "TCD")
    page.see("txt2img_tcd_gamma")
    page("txt2img_prompt").locator("textarea").fill(CAPTION)
    for name, value in (("width", 128), ("height", 128), ("steps", 4), ("cfg_scale", 1), ("seed", 5)):
        page.set_number(f"txt2img_{name}", value)
    return page


def apply_preset(page):
    page("txt2img_tcd_apply").click()
    page.wait_for_text(messages.ADDED.format(preset="TCD, 4 steps", lora=LORA))


def infotext(page):
    return page("html_info_txt2img").first.inner_text()


def test_txt2img(page, save):
    apply_preset(page)
    page.generate()
    assert "Model: miniature, TCD gamma: 0.3" in infotext(page)
    save(page, "webui", page("tabs"), page("txt2img_cfg_scale"), page("quicksettings"))


def test_presets(page, save):
    apply_preset(page)
    page("txt2img_tcd_preset").locator("input").click()
    page("txt2img_tcd_preset").locator("ul li").first.wait_for()
    save(page, "presets", *map(page, ("txt2img_sampling", "txt2img_tcd_preset_row", "txt2img_cfg_scale")))


def test_warnings(page, save):
    page.set_number("txt2img_cfg_scale", 7)
    said = page.generate()
    assert messages.ADD_LORA.format(checkpoint="miniature", tag=TAG) in said
    save(page, "warnings", page("txt2img_gallery"), page("html_log_txt2img"))


def test_hires_fix(page, save):
    apply_preset(page)
    page.open_hires_fix()
    page.say("txt2img_tcd_hires_gamma", "0.6")
    page.generate()
    assert "TCD hires gamma: 0.6" in infotext(page)
    save(page, "hires", *map(page, ("txt2img_sampling", "txt2img_tcd_preset_row", "hr_sampler")))


def test_xyz_plot(page, save):
    apply_preset(page)
    page.choose(SCRIPTS, "X/Y/Z plot")
    for axis, kind, values in (("x", "[TCD] Gamma", "0, 0.3, 0.6, 1"), ("y", "Steps", "2, 4, 8")):
        page.choose(f"script_txt2img_xyz_plot_{axis}_type", kind)
        page(f"script_txt2img_xyz_plot_{axis}_values").locator("textarea").fill(values)
    page.generate()
    page("txt2img_gallery").locator("img").first.wait_for()
    page.page.add_style_tag(content=".icon-buttons { visibility: hidden }")  # they cover a label
    save(page, "xyz", *map(page, (SCRIPTS, "script_txt2img_xyz_plot_y_values", "txt2img_gallery")))


def test_settings(page, save):
    page.open_settings()
    assert float(page.number("setting_tcd_default_gamma").input_value()) == 0.3
    save(page, "settings", page("settings_tcd"))


def test_chinese(browser, start_webui, save):
    with start_webui(localization="zh_CN") as webui:
        needs(webui.is_configured, MINIATURE)
        install_loras(webui.lora_folder)
        webui.refresh_loras()
        assert webui.post("/sdapi/v1/options", {"sd_model_checkpoint": CHECKPOINT.name})[0] == 200
        page = Page(browser.new_page(), webui)
        page.page.set_viewport_size({"width": WIDTH, "height": 2000})
        page.open()
        page.choose("txt2img_sampling", "TCD")
        page("txt2img_prompt").locator("textarea").fill(CAPTION)
        for name, value in (("width", 128), ("height", 128), ("seed", 5)):
            page.set_number(f"txt2img_{name}", value)
        page("txt2img_tcd_apply").click()
        page.wait_for_text("并在提示词中加入")
        page.set_number("txt2img_steps", 4)
        assert "TCD gamma: 0.3" in (page.generate() and infotext(page))
        save(page, "chinese", *map(page, ("txt2img_sampling", "txt2img_tcd_message", "html_log_txt2img")))
        page.page.close()
