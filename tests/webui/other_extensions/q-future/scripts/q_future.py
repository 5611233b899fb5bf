"""Imitates a future WebUI that lacks something that TCD needs, while TCD's script is loaded."""

from modules import rng, script_callbacks

ImageRNG = rng.ImageRNG
del rng.ImageRNG


def put_back():
    rng.ImageRNG = ImageRNG


script_callbacks.on_before_ui(put_back)
