"""Presets in the page: applying, saving, deleting; downloads and conversions of LoRAs; warnings below the image."""

import hashlib
import json
import random
import re

import pytest

from tcd_sampler import messages

from ..support.loopback import answers, breaks_after, pauses_after, whole
from . import loras
from .page import Page
from .selection import long

TAG = "<lora:tcd-one:1>"
CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(webui, lora_folder):
    """The WebUI's LoRA folder with one TCD LoRA."""
    loras.write_for(webui, lora_folder / "tcd-one.safetensors")
    yield lora_folder
    webui.remove_loras()


@pytest.fixture(autouse=True)
def own_presets(webui):
    file = webui.data / "tcd-presets.json"
    file.unlink(missing_ok=True)
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture
def txt2img(page):
    """The page with TCD selected, and with a prompt."""
    page.choose("txt2img_sampling", "TCD")
    page.see("txt2img_tcd_preset")
    page("txt2img_prompt").locator("textarea").fill("a house")
    return page


def apply(page, preset, tab="txt2img"):
    page.choose(f"{tab}_tcd_preset", preset)
    page(f"{tab}_tcd_apply").click()


def get_settings(page, tab="txt2img"):
    names = ["steps", "cfg_scale", "tcd_gamma", "width", "height", "denoising_strength"]
    return {name: float(page.number(f"{tab}_{name}").input_value()) for name in names}


def test_a_preset_changes_only_the_settings_it_contains(txt2img, folder):
    page = txt2img
    page.see("txt2img_tcd_convert", seen=False)
    page.choose("txt2img_sampling", "Euler a")
    page.see("txt2img_tcd_preset", seen=False)
    page.choose("txt2img_sampling", "TCD")
    page.set_number("txt2img_width", 128)
    page.set_number("txt2img_tcd_gamma", 0.9)
    before = get_settings(page)
    apply(page, "TCD, 8 steps")
    page.wait_for_text(messages.ADDED.format(preset="TCD, 8 steps", lora="tcd-one"))
    assert page.value("txt2img_prompt") == f"a house {TAG}"
    assert get_settings(page) == {**before, "steps": 8, "cfg_scale": 1, "tcd_gamma": 0.3}
    apply(page, "TCD, 4 steps")
    page.wait_for_text(messages.ADDED.format(preset="TCD, 4 steps", lora="tcd-one"))
    assert page.value("txt2img_prompt") == f"a house {TAG}"
    assert get_settings(page) == {**before, "steps": 4, "cfg_scale": 1, "tcd_gamma": 0.3}
    page.make_small()
    assert "LoRA" not in page.generate()
    assert page("html_info_txt2img").first.inner_text().startswith(f"a house {TAG}")


def test_img2img_also_lists_inpainting_presets(page, folder):
    page.choose("txt2img_sampling", "TCD")
    assert "TCD inpainting, 8 steps" not in page.list_choices("txt2img_tcd_preset")
    page.tab("img2img")
    page.choose("img2img_sampling", "TCD")
    page.see("img2img_tcd_preset")
    apply(page, "TCD inpainting, 8 steps", "img2img")
    page.wait_for_text(messages.ADDED.format(preset="TCD inpainting, 8 steps", lora="tcd-one"))
    assert get_settings(page, "img2img")["denoising_strength"] == 0.99
    assert page.value("img2img_prompt") == TAG


def test_own_presets(txt2img, folder, own_presets):
    page = txt2img
    page("txt2img_tcd_preset").locator("input").fill("")
    page("txt2img_tcd_preset").locator("input").press("Tab")
    page("txt2img_tcd_save").click()
    page.wait_for_text(messages.NO_PRESET_NAME)
    page("txt2img_prompt").locator("textarea").fill("a house <lora:tcd-one:0.7>")
    page.set_number("txt2img_steps", 6)
    page.set_number("txt2img_cfg_scale", 1.5)
    page.set_number("txt2img_tcd_gamma", 0.45)
    page.say("txt2img_tcd_preset", "mine")
    page("txt2img_tcd_save").click()
    page.wait_for_text(messages.SAVED.format(preset="mine"))
    [saved] = json.loads(own_presets.read_text(encoding="utf-8"))
    assert saved == {"name": "mine", "steps": 6, "cfg_scale": 1.5, "gamma": 0.45, "lora": "tcd-one", "weight": 0.7}

    page.open()
    page.choose("txt2img_sampling", "TCD")
    page.see("txt2img_tcd_preset")
    apply(page, "mine")
    page.wait_for_text(messages.ADDED.format(preset="mine", lora="tcd-one"))
    assert page.value("txt2img_prompt") == "<lora:tcd-one:0.7>"
    assert {**get_settings(page), "steps": 6, "cfg_scale": 1.5, "tcd_gamma": 0.45} == get_settings(page)

    page("txt2img_tcd_delete").click()
    page.wait_for_text(messages.DELETED.format(preset="mine"))
    assert json.loads(own_presets.read_text(encoding="utf-8")) == []
    assert "mine" not in page.list_choices("txt2img_tcd_preset")


@long
def test_built_in_presets_cannot_be_changed(txt2img, own_presets):
    txt2img("txt2img_tcd_save").click()
    txt2img.wait_for_text(messages.SAVE_BUILT_IN.format(preset="'TCD, 4 steps'"))
    txt2img("txt2img_tcd_delete").click()
    txt2img.wait_for_text(messages.DELETE_BUILT_IN.format(preset="'TCD, 4 steps'"))
    txt2img.say("txt2img_tcd_preset", "another")
    txt2img("txt2img_tcd_apply").click()
    txt2img.wait_for_text("got 'another'.")
    assert not own_presets.exists()


def test_warnings_are_below_the_image(txt2img, folder, webui):
    txt2img.make_small()
    txt2img.set_number("txt2img_cfg_scale", 7)
    said = txt2img.generate()
    assert said.count(messages.ADD_LORA.format(checkpoint=webui.model, tag=TAG)) == 1


@pytest.fixture
def publish(jobs, hub):
    """Sets the hub's answers, and the size and hash of the catalogue's TCD LoRAs."""

    def publish(*to_answer, sha256=SHA256):
        jobs.txt2img(actions=f"publish:{len(CONTENT)}:{sha256}", steps=1)
        hub.content, hub.answers[:] = CONTENT, to_answer
        hub.requests.clear()
        hub.released.clear()

    return publish


def test_a_lora_is_downloaded_on_request(txt2img, webui, lora_folder, hub, publish):
    page, folder = txt2img, lora_folder
    assert hub.requests == []  # so far
    name, family = ("TCD-SD15-LoRA", "SD 1.5") if webui.model == "small-sd15" else ("TCD-SDXL-LoRA", "SDXL")
    publish(breaks_after(1_000_000), pauses_after(2_000_000))
    apply(page, "TCD, 8 steps")
    reason = messages.NO_SUCH_LORA.format(lora="TCD LoRA", family=family)
    page.wait_for_text(
        messages.DOWNLOAD_OFFERED.format(preset="TCD, 8 steps", reason=reason, file=name, size=3, license="MIT")
    )
    assert page.value("txt2img_prompt") == "a house"
    page("txt2img_tcd_get").click()
    page.page.locator("#txt2img_tcd_message progress").first.wait_for()
    page.wait_for_text("/ 3 MB")
    [part] = folder.iterdir()
    assert re.fullmatch(rf"\.{name}\.\w+\.part", part.name)
    hub.released.set()
    page.wait_for_text(messages.DOWNLOADED.format(lora=name))
    file = folder / f"{name}.safetensors"
    assert file.read_bytes() == CONTENT
    assert len(hub.requests) == 2
    page("txt2img_tcd_get").click()
    page.wait_for_text(messages.FILE_EXISTS.format(file=file))
    webui.remove_loras()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (whole, messages.CHECKSUM_MISMATCH),
        (answers(404), messages.NOT_ON_HOST),
    ],
)
@long
def test_a_failed_download_leaves_no_file(txt2img, lora_folder, publish, answer, sentence):
    publish(answer, sha256="0" * 64)
    txt2img("txt2img_tcd_get").click()
    txt2img.wait_for_text(sentence.partition("{host}")[0].partition("}")[2])
    assert list(lora_folder.iterdir()) == []


def test_a_lora_in_an_unsupported_format_is_converted(txt2img, webui, folder):
    page, kohya = txt2img, folder / "tcd-one.safetensors"
    kohya.unlink()
    loras.write_for(webui, kohya, format="peft")
    apply(page, "TCD, 4 steps")
    page.wait_for_text(messages.UNSUPPORTED.format(lora="tcd-one"))
    page("txt2img_tcd_convert").click()
    page.wait_for_text(messages.CONVERTED.format(lora="tcd-one-kohya", original="tcd-one"))
    assert page.value("txt2img_prompt") == "a house <lora:tcd-one-kohya:1>"
    page.see("txt2img_tcd_convert", seen=False)
    apply(page, "TCD, 8 steps")
    page.wait_for_text(messages.ADDED.format(preset="TCD, 8 steps", lora="tcd-one-kohya"))
    assert page.value("txt2img_prompt") == "a house <lora:tcd-one-kohya:1>"
    assert sorted(file.name for file in folder.iterdir()) == ["tcd-one-kohya.safetensors", "tcd-one.safetensors"]


@long
def test_a_preset_of_a_tcd_lora_in_an_unsupported_format_converts_it(txt2img, webui, folder):
    """A built-in preset would replace it by the other TCD LoRA, which works."""
    page = txt2img
    loras.write_for(webui, folder / "tcd-two.safetensors", format="peft")
    webui.refresh_loras()
    page("txt2img_prompt").locator("textarea").fill("a house <lora:tcd-two:1>")
    page.say("txt2img_tcd_preset", "mine")
    page("txt2img_tcd_save").click()
    page.wait_for_text(messages.SAVED.format(preset="mine"))
    page("txt2img_tcd_apply").click()
    page.wait_for_text(messages.UNSUPPORTED.format(lora="tcd-two"))
    page("txt2img_tcd_convert").click()
    page.wait_for_text(messages.CONVERTED.format(lora="tcd-two-kohya", original="tcd-two"))
    assert page.value("txt2img_prompt") == "a house <lora:tcd-two-kohya:1>"


@pytest.mark.parametrize(
    "flags",
    [
        ("--hide-ui-dir-config",),
        pytest.param(("--freeze-settings",), marks=long),
        pytest.param(("--server-name", "127.0.0.1"), marks=long),
    ],
)
def test_visitors_cannot_write_files(browser, start_webui, flags):
    """Messages do not show them the WebUI's folders either."""
    with start_webui(flags=flags) as webui:
        page = Page(browser.new_page(), webui)
        page.open()
        page.choose("txt2img_sampling", "TCD")
        page.see("txt2img_tcd_apply")
        for button in ("get", "save", "delete"):
            assert webui.component(f"txt2img_tcd_{button}") is None
        apply(page, "TCD, 4 steps")
        page.wait_for_text("LoRA for")
        assert "Download LoRA" not in page("txt2img_tcd_message").first.inner_text()
        (webui.data / "tcd-presets.json").write_text("{", encoding="utf-8")
        page.say("txt2img_tcd_preset", "mine")
        page("txt2img_tcd_apply").click()
        page.wait_for_text("tcd-presets.json cannot be read")
        assert str(webui.data) not in page("txt2img_tcd_message").first.inner_text()
        page.page.close()


APPLIED_4, APPLIED_8 = (messages.APPLIED.format(preset=f"TCD, {steps} steps").removesuffix(".") for steps in (4, 8))
"""The beginnings of the messages about applied presets."""


@pytest.mark.parametrize(
    "kind", ["ValueError", pytest.param("KeyError", marks=long), pytest.param("RuntimeError", marks=long)]
)
def test_a_bug_replaces_the_last_message(txt2img, jobs, folder, kind):
    """The last message would suggest that nothing went wrong."""
    apply(txt2img, "TCD, 8 steps")
    txt2img.wait_for_text(APPLIED_8)
    jobs.txt2img(actions=f"bug:choose_lora:{kind}", steps=1)
    apply(txt2img, "TCD, 4 steps")
    txt2img.wait_for_text(messages.FAILED.format(error=kind))
    assert APPLIED_8 not in txt2img("txt2img_tcd_message").first.inner_text()
    jobs.txt2img(steps=1)  # removes the bug
    apply(txt2img, "TCD, 4 steps")
    txt2img.wait_for_text(APPLIED_4)


@long
def test_in_chinese(browser, start_webui):
    with start_webui(localization="zh_CN") as webui:
        page = Page(browser.new_page(), webui)
        page.open()
        page.choose("txt2img_sampling", "TCD")
        page.see("txt2img_tcd_apply")
        assert page("txt2img_tcd_apply").inner_text() == "应用"
        page("txt2img_tcd_apply").click()
        page.wait_for_text("点“下载 LoRA”获取")
        assert page("txt2img_tcd_preset").locator("span").first.inner_text() == "TCD 预设"
        page.make_small()
        assert "没有启用 TCD LoRA，且" in page.generate()
        page.open_settings()
        page.page.get_by_text("（设置可能有问题时，在图像下方提示）").wait_for()
        page.page.close()
        job = {"sampler_name": "TCD", "alwayson_scripts": {"TCD": {"args": [7]}}}
        status, body = webui.post("/sdapi/v1/txt2img", job)
        assert status == 422
        assert body["detail"].startswith("“TCD 伽马”")
