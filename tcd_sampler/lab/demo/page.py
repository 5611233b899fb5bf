"""The command demo: a page that compares samplers, steps and gammas on the same noise."""

import argparse
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing leaves the machine

import gradio

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA
from .. import messages
from ..miniature.prompt import VOCABULARY
from ..miniature.scenes import choose_scene
from .errors import first_line
from .figures import CSS
from .generation import MAX_STEPS
from .load import load_model
from .model import Model
from .session import Plan, Session, Shown
from .strips import compare_samplers, is_miniature, show_both, vary_gamma, vary_steps

PROMPT = "a yellow checkered house on the left and a purple tree on the right, on snow, at night"
EXAMPLES = [PROMPT, *(choose_scene(seed, held_out=True).caption for seed in range(3))]
TITLE = "Trajectory Consistency Distillation"


def get_handler(session: Session, plan: Plan) -> Any:
    """Returns the function that Gradio calls, which finds the progress bar by the parameter's default."""

    def handle(
        prompt: str,
        steps: int,
        gamma: float,
        seed: int | None,
        progress: Any = gradio.Progress(),  # noqa: B008
    ) -> Iterator[Shown]:
        yield from session.handle(plan, prompt, steps, gamma, seed, progress)

    return handle


def describe_vocabulary() -> str:
    lines = [f"- {part}: {', '.join(words)}" for part, words in VOCABULARY.items()]
    return "\n".join(["The model knows these words. Name one or two things; everything else is optional.", "", *lines])


def build_page(session: Session) -> gradio.Blocks:
    model = session.model
    with gradio.Blocks(title=TITLE) as page:
        gradio.Markdown(
            f"# {TITLE}\nCompares TCD with other samplers on the same noise. "
            f"Model: *{model.name}* ({model.size}x{model.size})."
        )
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                prompt = gradio.Textbox(PROMPT, label="Prompt", lines=3, elem_id="prompt")
                if is_miniature(model):
                    gradio.Markdown(describe_vocabulary(), elem_id="vocabulary")
                with gradio.Accordion("Examples", elem_id="examples"):  # gradio.Examples shortens them
                    for example in EXAMPLES:
                        button = gradio.Button(example, size="sm")
                        button.click(partial(str, example), None, prompt, queue=False, show_progress="hidden")
                steps = gradio.Slider(1, MAX_STEPS, 4, step=1, label="Steps", elem_id="steps")
                gamma = gradio.Slider(0, 1, DEFAULT_GAMMA, step=0.05, label="TCD gamma", elem_id="gamma")
                seed = gradio.Number(1, label="Seed (-1: random)", precision=0, elem_id="seed")
            with gradio.Column(scale=3, min_width=300):
                with gradio.Row():
                    add_button = partial(gradio.Button, min_width=100)
                    plans = {
                        add_button("Compare samplers", variant="primary", elem_id="compare"): compare_samplers,
                        add_button("Compare steps", elem_id="steps-strip"): vary_steps,
                        add_button("Compare gammas", elem_id="gamma-strip"): vary_gamma,
                    }
                    stop = add_button("Stop", variant="stop", elem_id="stop")
                status = gradio.Markdown(elem_id="status")
                images = gradio.HTML(elem_id="images")
        triggers: list[tuple[Any, Plan]] = [(button.click, plan) for button, plan in plans.items()]
        if is_miniature(model):  # with a real checkpoint, this may take hours
            triggers.append((page.load, show_both))
        for trigger, plan in triggers:
            # a new request stops the one that runs, and waits until it has ended: a LoRA that is on is on for all
            trigger(session.stop.set, queue=False, show_progress="hidden").then(
                get_handler(session, plan),
                [prompt, steps, gamma, seed],
                [status, images],
                show_progress_on=status,
                concurrency_limit=1,
                concurrency_id="model",
            )
        stop.click(session.stop.set, queue=False, show_progress="hidden")
    return page


def check_port(port: int) -> None:
    """Raises UserError if the port is in use or not a port."""
    if not 0 < port < 2**16:
        raise UserError(messages.NOT_IN_RANGE, field="--port", low=1, high=2**16 - 1, value=port)
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise UserError(messages.PORT_IN_USE, port=port, reason=first_line(error)) from error


def has_display() -> bool:
    """Whether the user would see a browser that is started here. Over SSH it would run on the other machine."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def launch(model: Model, port: int, folder: Path, inbrowser: bool = False) -> gradio.Blocks:
    """Serves the page on 127.0.0.1 and returns it. Images are written to the folder."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # theirs are on the web
    page = build_page(Session(model, folder))
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        inbrowser=inbrowser,
        quiet=True,  # it would advise to share the page
        footer_links=[],
        allowed_paths=[str(folder)],
        theme=gradio.themes.Default(**fonts),
        css=CSS,
        prevent_thread_lock=True,
    )
    return page


def run(args: argparse.Namespace) -> int:
    check_port(args.port)
    model = load_model(args)
    with tempfile.TemporaryDirectory(prefix="tcd-", ignore_cleanup_errors=True) as folder:
        page = launch(model, args.port, Path(folder).resolve(), has_display())
        print(messages.SERVING.format(address=f"http://127.0.0.1:{args.port}"), flush=True)
        try:
            while True:  # a lock without a limit cannot be interrupted on Windows
                time.sleep(3600)
        finally:
            page.close(verbose=False)
