"""The miniature in a real WebUI: its images match their captions and the demo's images."""

import numpy
import pytest
import torch

from tcd_sampler.lab.demo.generation import Request, generate
from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.demo.samplers import SAMPLERS
from tcd_sampler.lab.evaluation.classifier import get_accuracy, load_classifier
from tcd_sampler.lab.evaluation.measure import get_captions
from tcd_sampler.lab.miniature import CHECKPOINT
from tcd_sampler.lab.miniature.install import install_loras

from .jobs import CAPTION, NOTHING
from .selection import MINIATURE, long, needs

OVERRIDES = {"sd_model_checkpoint": CHECKPOINT.name}
LORA = "<lora:miniature-tcd-lora:1>"


@pytest.fixture(scope="module")
def loras(webui, lora_folder):
    needs(webui.is_configured, MINIATURE)
    install_loras(lora_folder)
    webui.refresh_loras()


@pytest.fixture(scope="module")
def model():
    return load_miniature()


def run(jobs, *gamma, prompt=CAPTION + LORA, **fields):
    fields = {"negative_prompt": "", "override_settings": OVERRIDES, **fields}
    return jobs.txt2img(*gamma, prompt=prompt, width=128, height=128, **fields)


def get_difference(generated, image):
    """Returns the difference of each pixel and color, from 0 to 255."""
    return abs(generated - numpy.asarray(image, float))


@pytest.mark.parametrize("gamma", [pytest.param(0, marks=long), 0.3, pytest.param(1, marks=long)])
def test_images_match_the_demo(loras, jobs, model, gamma):
    generated = run(jobs, gamma, seed=5).pixels[0]
    expected = generate(model, Request(CAPTION, gamma=float(gamma), seed=5))
    assert get_difference(generated, expected).max() <= 2


@pytest.mark.parametrize("gamma", [0.3, pytest.param(1, marks=long)])
def test_pasted_settings_give_the_demos_image(loras, jobs, webui, model, gamma):
    """The request has no other fields, except for the checkpoint."""
    needs(webui.can_paste, "infotext in requests")
    image = generate(model, Request(CAPTION, steps=5, gamma=float(gamma), seed=6))
    fields = {**dict.fromkeys(jobs.defaults, NOTHING), "infotext": image.info["parameters"]}
    result = jobs.txt2img(override_settings=OVERRIDES, **fields)
    assert get_difference(result.pixels[0], image).max() <= 2
    for setting in image.info["parameters"].splitlines()[-1].split(", "):
        assert setting in result.infotext or setting == "Schedule type: TCD"


@pytest.mark.parametrize("name", ["Euler a", "DPM++ 2M"])
def test_other_samplers_match_the_demo(loras, jobs, webui, model, name):
    sampler = SAMPLERS[name]
    if sampler.schedule == "Karras" and not webui.has_schedules:
        name += " Karras"  # without a list of schedules, each schedule has its own sampler
    generated = run(jobs, prompt=CAPTION, sampler_name=name, steps=8, cfg_scale=model.guidance, seed=5).pixels[0]
    expected = generate(model, Request(CAPTION, steps=8, seed=5, sampler=sampler))
    assert get_difference(generated, expected).mean() < 1


def test_images_match_captions_only_with_the_lora(loras, jobs):
    classifier, scenes = load_classifier(), get_captions(4)

    def classify_images(lora):
        accuracies = []
        for scene in scenes:
            pixels = torch.from_numpy(run(jobs, prompt=scene.caption + lora, batch_size=4).pixels).float()
            images = pixels.permute(0, 3, 1, 2) / 127.5 - 1
            accuracies.append(get_accuracy(classifier, images, [scene] * 4).mean())
        return float(torch.stack(accuracies).mean())

    assert classify_images(LORA) > 0.95 > classify_images("")
