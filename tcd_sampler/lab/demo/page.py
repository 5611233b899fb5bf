"""The page: TCD beside other samplers on the same noise, and a strip over gamma: `tcd demo`."""

import argparse
import os
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing leaves the machine

import gradio

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA
from .. import messages
from ..miniature.scenes import choose_scene
from .errors import first_line
from .generation import MAX_STEPS, Request, generate
from .load import load_model
from .model import Model
from .samplers import SAMPLERS

GAMMAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
EXAMPLES = [choose_scene(seed, held_out=True).caption for seed in range(4)]
TITLE = "Trajectory Consistency Distillation"
SHOWN = 256
"""Pixels that an image's side is shown at, at least."""

Shown = tuple[Any, str]
"""The gallery, and the settings of what is in it."""


def enlarge(image: Any) -> Any:
    factor = -(-SHOWN // image.width)
    return image.resize((factor * image.width, factor * image.height)) if factor > 1 else image


def generate_all(model: Model, requests: dict[str, Request], columns: int, progress: Any) -> Iterator[Shown]:
    """Each image as soon as it is done, and the settings of all under them."""
    shown, settings = [], []
    total, done = sum(request.steps for request in requests.values()), 0
    for name, request in requests.items():

        def tell(step: dict[str, Any], name: str = name, done: int = done) -> None:
            progress((done + step["i"], total), desc=name, unit="steps")

        image = generate(model, request, tell)
        done += request.steps
        shown.append((enlarge(image), name))
        settings.append(request.describe(model))
        yield gradio.Gallery(shown, columns=columns), "\n\n".join(settings)


def compare(model: Model, request: Request, progress: Any) -> Iterator[Shown]:
    """All samplers that there is a LoRA for, or that want none, on the same noise."""
    names = [name for name, sampler in SAMPLERS.items() if sampler.lora in (None, "tcd", *model.loras)]
    return generate_all(model, {name: replace(request, sampler=SAMPLERS[name]) for name in names}, 2, progress)


def vary_gamma(model: Model, request: Request, progress: Any) -> Iterator[Shown]:
    requests = {f"gamma {gamma:g}": replace(request, gamma=gamma) for gamma in GAMMAS}
    return generate_all(model, requests, len(GAMMAS) // 2, progress)


def build_page(model: Model) -> gradio.Blocks:
    with gradio.Blocks(title=TITLE) as page:
        gradio.Markdown(f"# {TITLE}\nFew steps or many, on the model *{model.name}*.")
        with gradio.Row():
            with gradio.Column(scale=1):
                prompt = gradio.Textbox(EXAMPLES[0], label="Prompt", lines=3, elem_id="prompt")
                gradio.Examples(EXAMPLES, prompt)
                steps = gradio.Slider(1, MAX_STEPS, 4, step=1, label="Steps", elem_id="steps")
                gamma = gradio.Slider(0, 1, DEFAULT_GAMMA, step=0.05, label="TCD gamma", elem_id="gamma")
                seed = gradio.Number(0, label="Seed", precision=0, elem_id="seed")
                with gradio.Row():
                    compare_button = gradio.Button("Compare samplers", variant="primary", elem_id="compare")
                    gamma_button = gradio.Button("Gamma strip", elem_id="strip")
            with gradio.Column(scale=2):
                gallery = gradio.Gallery(
                    label="Images", columns=2, height=650, object_fit="contain", format="png", elem_id="images"
                )
                settings = gradio.Textbox(label="Settings", lines=8, buttons=["copy"], elem_id="settings")
        for button, action in ((compare_button, compare), (gamma_button, vary_gamma)):
            button.click(
                get_handler(model, action),
                [prompt, steps, gamma, seed],
                [gallery, settings],
                concurrency_limit=1,
                concurrency_id="model",  # a LoRA that one turns on is on for all
            )
    return page


def get_handler(model: Model, action: Any) -> Any:
    def handle(
        prompt: str,
        steps: int,
        gamma: float,
        seed: int,
        progress: Any = gradio.Progress(),  # noqa: B008
    ) -> Iterator[Shown]:
        with show_errors():
            request = Request(prompt=prompt, steps=int(steps), gamma=float(gamma), seed=int(seed or 0))
            yield from action(model, request, progress)

    return handle


@contextmanager
def show_errors() -> Iterator[None]:
    """Show a UserError's sentence in the page. Any other exception is a bug: its traceback goes to the terminal."""
    try:
        yield
    except UserError as error:
        raise gradio.Error(str(error), print_exception=False) from error
    except Exception as error:
        traceback.print_exc()
        raise gradio.Error(messages.INTERNAL_ERROR, print_exception=False) from error


def check_port(port: int) -> None:
    """Raise UserError if the port is in use or not a port."""
    if not 0 < port < 2**16:
        raise UserError(messages.NOT_IN_RANGE, field="--port", low=1, high=2**16 - 1, value=port)
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise UserError(messages.PORT_IN_USE, port=port, reason=first_line(error)) from error


def launch(model: Model, port: int, wait: bool = True) -> gradio.Blocks:
    """Serves the page on 127.0.0.1, until it is interrupted or closed."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # theirs are on the web
    page = build_page(model)
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        theme=gradio.themes.Default(**fonts),
        prevent_thread_lock=not wait,
    )
    return page


def run(args: argparse.Namespace) -> int:
    check_port(args.port)
    launch(load_model(args), args.port)
    return 0
