"""Sends jobs as API clients do, and returns the WebUI's answers."""

import base64
import io
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy
from PIL import Image

DEFAULTS = {
    "prompt": "a red house by the sea",
    "negative_prompt": "blurry",
    "sampler_name": "TCD",
    "steps": 4,
    "cfg_scale": 1,
    "width": 128,
    "height": 128,
    "seed": 7,
}

CHEAP = {"width": 64, "height": 64, "steps": 2}
"""Fields for tests that check an image's infotext, not the image."""

CAPTION = "a red dotted mushroom on the left and a blue star on the right, on grass, at sunset"
"""A prompt that the miniature can generate."""

HIRES = {"hr_cfg": 1, "hr_cfg_scale": 1, "hr_additional_modules": ["Use same choices"]}
"""Fields that some WebUIs need for the hires pass. Without them it has another CFG scale, or fails."""

OPTION = "tcd_cfg1_single_pass"
"""The setting that skips the negative prompt at CFG 1."""

NOTHING = object()
"""As a field's value: sends a job without the field's default."""


@dataclass
class Result:
    """A finished job."""

    images: list[Image.Image]
    info: dict
    record: dict[str, numpy.ndarray] | None

    @property
    def infotext(self):
        return self.info["infotexts"][0]

    @property
    def rows(self):
        """The batch entries that the UNet evaluated, per image and step."""
        steps, images = self.record["x"].shape[:2]
        return self.record["rows"].sum() / (steps * images)

    @property
    def pixels(self):
        return numpy.stack([numpy.asarray(image.convert("RGB"), dtype=float) for image in self.images])


class Jobs:
    def __init__(self, webui, records):
        self.webui = webui
        self.records = records
        self.defaults = {**DEFAULTS, **{name: HIRES[name] for name in HIRES.keys() & webui.fields}}
        self.defaults["hr_upscaler"] = webui.latent_upscaler
        self.numbers = count()

    def post(self, kind, *tcd, record=None, actions="", scripts=None, **fields):
        """Returns a job's (status, body). tcd are the TCD script's arguments, scripts those of other scripts."""
        scripts = {"Probe": {"args": [str(record or ""), actions]}, **(scripts or {})}
        if tcd:
            scripts["TCD"] = {"args": list(tcd)}
        fields = {**self.defaults, **fields, "alwayson_scripts": scripts}
        fields = {name: value for name, value in fields.items() if value is not NOTHING}
        return self.webui.post(f"/sdapi/v1/{kind}", fields)

    def run(self, kind, *tcd, record=False, **fields):
        file: Path | None = self.records / f"{next(self.numbers)}.npz" if record else None
        status, body = self.post(kind, *tcd, record=file, **fields)
        assert status == 200, body
        images = [decode(image) for image in body["images"]]
        return Result(images, json.loads(body["info"]), dict(numpy.load(file)) if file else None)

    def txt2img(self, *tcd, **fields):
        return self.run("txt2img", *tcd, **fields)

    def img2img(self, *tcd, **fields):
        return self.run("img2img", *tcd, **{"init_images": [make_image()], "denoising_strength": 0.7, **fields})

    def axis_labels(self):
        """Returns the X/Y/Z plot's axes in the order of their indices."""
        return self.webui.choices("script_txt2img_xyz_plot_x_type")

    def plot(self, x_label, x_values, y_label="Nothing", y_values=""):
        """Returns the fields of a job that is an X/Y/Z plot."""
        axes = self.axis_labels()
        types = {"x_type": axes.index(x_label), "y_type": axes.index(y_label), "z_type": 0}
        values = {"x_values": x_values, "y_values": y_values, "z_values": ""}
        rest = {"include_lone_images": True, "draw_grid": True, "csv_mode": True, "margin_size": 0}
        arguments = self.webui.script_arguments("xyz_grid.py", **types, **values, **rest)
        return {"script_name": "X/Y/Z plot", "script_args": arguments}

    def refused(self, *tcd, kind="txt2img", **fields):
        """Sends a job that must be refused, and returns its error message."""
        status, body = self.post(kind, *tcd, **fields)
        assert status == 422, (status, body)
        return body["detail"]


def encode(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=None)
    return base64.b64encode(buffer.getvalue()).decode()


def decode(image):
    return Image.open(io.BytesIO(base64.b64decode(image)))


def make_image(size=128):
    """Returns an image with gradients of all colors, encoded for the API."""
    ramp = numpy.linspace(0, 255, size, dtype=numpy.uint8)
    red, green = numpy.meshgrid(ramp, ramp)
    return encode(Image.fromarray(numpy.stack([red, green, 255 - red // 2], -1)))


def mask(size=128):
    """Returns a mask of the middle, encoded for the API."""
    image = Image.new("L", (size, size))
    image.paste(255, (size // 4, size // 4, size * 3 // 4, size * 3 // 4))
    return encode(image)
