"""The requests of the demo's page: generates the images of a plan, shows them one by one, and can be stopped."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import gradio

from ...errors import UserError
from .. import messages
from .figures import Figures
from .generation import Request, choose_seed, complete_prompt, generate
from .model import Model
from .strips import Strip, list_requests

Plan = Callable[[Model, Request], list[Strip]]
"""Maps a request to the strips that a button shows."""

Shown = tuple[Any, Any]
"""Updates of the status beside the buttons, and of the images."""


class Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """The Stop button, or a new request, ended this one."""


@dataclass
class Session:
    """The model, the folder for its images, and the stop signal of the current request."""

    model: Model
    folder: Path
    stop: Event = field(default_factory=Event)
    numbers: Iterator[int] = field(default_factory=count)

    def generate_all(self, strips: list[Strip], note: str, progress: Any) -> Iterator[Shown]:
        """Yields all images so far when another is done. Raises Stopped at the first step after a stop."""
        requests = list_requests(strips)
        total, done = sum(request.steps for _, request in requests), 0
        figures = Figures(self.folder, strips)
        under = f'<p id="note">{escape(note)}</p>' if note else ""
        yield "", gradio.skip()
        for caption, request in requests:

            def tell(step: dict[str, Any], caption: str = caption, done: int = done) -> None:
                if self.stop.is_set():
                    raise Stopped
                progress((done + step["i"], total), desc=caption, unit="steps")

            figures.add(caption, generate(self.model, request, tell), next(self.numbers))
            done += request.steps
            yield gradio.skip(), figures.draw() + under
        yield messages.GENERATED.format(count=len(requests), seed=request.seed), gradio.skip()

    def handle(
        self,
        plan: Plan,
        prompt: str,
        steps: int,
        gamma: float,
        seed: int | None,
        progress: Any,
    ) -> Iterator[Shown]:
        """Yields what a plan shows. Errors become the status: the images of the last request stay."""
        self.stop.clear()
        try:
            prompt, note = complete_prompt(self.model, prompt)
            request = Request(prompt, int(steps), float(gamma), choose_seed(-1 if seed is None else int(seed)))
            request.check()
            yield from self.generate_all(plan(self.model, request), note, progress)
        except Stopped:
            yield messages.STOPPED, gradio.skip()
        except UserError as error:
            yield str(error), gradio.skip()
        except Exception:  # a bug: its traceback goes to the terminal
            traceback.print_exc()
            yield messages.INTERNAL_ERROR, gradio.skip()
