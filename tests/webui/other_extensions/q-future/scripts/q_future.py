"""A WebUI of the future, in which something that we need is gone. It is gone while our script is loaded."""

from modules import rng, script_callbacks

ImageRNG = rng.ImageRNG
del rng.ImageRNG


def put_back():
    rng.ImageRNG = ImageRNG


script_callbacks.on_before_ui(put_back)
