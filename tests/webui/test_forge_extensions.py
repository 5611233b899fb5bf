"""TCD with the extensions that Forge and its forks contain: ControlNet, and those that change the sampling.

The ControlNet is random and has the sizes of the checkpoint's UNet. The others run with their default settings.
"""

import pytest
from safetensors.torch import save_file

from . import checkpoint_large_sdxl, checkpoint_sd15
from .compare import LIMIT, SAME, difference
from .controlnet import with_unit
from .controlnet_models import CONTROL, connections, make
from .jobs import Jobs
from .reference import replay
from .selection import long, needs

pytestmark = long

CONTROLNET = "random-controlnet"


def write_controlnet(file, model):
    unet = (checkpoint_large_sdxl if model == "large-sdxl" else checkpoint_sd15).UNET
    file.parent.mkdir(parents=True)
    save_file({**make(unet.encoder(CONTROL, 4), 1), **make(connections(unet.skipped_widths), 2)}, file)


@pytest.fixture(scope="module")
def webui(start_webui):
    webui = start_webui()
    folder = webui.folder / "extensions-builtin" / "sd_forge_controlnet"
    needs(folder.is_dir(), "ControlNet of its own")
    write_controlnet(webui.data / "models" / "ControlNet" / f"{CONTROLNET}.safetensors", webui.model)
    with webui:
        yield webui


@pytest.fixture(scope="module")
def jobs(webui, tmp_path_factory):
    return Jobs(webui, tmp_path_factory.mktemp("records"))


@pytest.mark.parametrize("gamma", [0, 0.3])
def test_controlnet(jobs, webui, gamma):
    plain = jobs.txt2img(gamma)
    [model] = [name for name in webui.get("/controlnet/model_list")["model_list"] if name.startswith(CONTROLNET)]
    unit = with_unit(model=model, module="None", weight=0.5)
    result = jobs.txt2img(gamma, record=True, **unit)
    assert max(replay(result.record, gamma)[0]) <= LIMIT
    assert result.rows == 1
    assert "ControlNet 0" in result.infotext
    assert difference(plain, result) > 5 * SAME
    assert difference(jobs.txt2img(gamma + 0.5, **unit), result) > 5 * SAME
    assert difference(jobs.txt2img(gamma), plain) == 0


def list_integrated(webui):
    """Returns the arguments that turn the WebUI's own extensions on, by their name."""
    return {
        script["name"]: [True, *(argument["value"] for argument in script["args"][1:])]
        for script in webui.get("/sdapi/v1/script-info")
        if script["is_alwayson"] and not script["is_img2img"] and " integrated" in script["name"]
    }


def test_extensions_that_change_the_sampling(jobs, webui):
    """Whatever they change, TCD's steps are the same, and nothing of it stays."""
    integrated = list_integrated(webui)
    needs(integrated, "sampling extensions of its own")
    plain = jobs.txt2img(0.3, cfg_scale=2)
    changed, wrong = set(), {}
    for name, arguments in integrated.items():
        result = jobs.txt2img(0.3, cfg_scale=2, record=True, scripts={name: {"args": arguments}})
        if difference(plain, result) > SAME:
            changed.add(name)
        distance = max(replay(result.record, 0.3)[0])
        left = difference(plain, jobs.txt2img(0.3, cfg_scale=2))
        if distance > LIMIT or left:
            wrong[name] = distance, left
    assert wrong == {}
    assert len(changed) >= 2, (changed, set(integrated))  # others need more of a UNet than the small checkpoint has
