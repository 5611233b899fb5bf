"""Strips: rows of images that differ in one setting, with a sentence about what to look at."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .generation import Request
from .model import Model
from .samplers import LCM, SAMPLERS, TCD, Sampler

STEPS = (2, 4, 8, 16, 50)
GAMMAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

LOOK_AT_DETAIL = "Look at how fine detail changes along each row."


def is_miniature(model: Model) -> bool:
    """Whether the model is the miniature. Claims about images were tested with it only."""
    return model.read_prompt is not None


@dataclass(frozen=True)
class Strip:
    """Rows of requests by their captions."""

    title: str
    note: str
    rows: list[dict[str, Request]]


def get_samplers(model: Model, samplers: Iterable[Sampler]) -> list[Sampler]:
    """Returns the samplers that need no LoRA or have one. TCD is always among them: distilled models need no LoRA."""
    return [
        sampler for sampler in samplers if sampler is TCD or sampler.lora is None or model.has_lora_for(sampler.lora)
    ]


def compare_samplers(model: Model, request: Request) -> list[Strip]:
    row = {sampler.name: replace(request, sampler=sampler) for sampler in get_samplers(model, SAMPLERS.values())}
    note = (
        "All images start from the same noise. With their LoRAs, TCD and LCM evaluate one prompt per "
        "step. The other samplers evaluate two."
    )
    return [Strip(f"Samplers at {count(request.steps)}", note, [row])]


def vary_steps(model: Model, request: Request) -> list[Strip]:
    rows = [
        {f"{sampler.name}, {count(steps)}": replace(request, sampler=sampler, steps=steps) for steps in STEPS}
        for sampler in get_samplers(model, (TCD, LCM))
    ]
    note = (
        "Look at fine detail, such as stars and grass: TCD keeps it up to 50 steps, LCM loses some of it."
        if is_miniature(model)
        else LOOK_AT_DETAIL
    )
    return [Strip("From 2 to 50 steps", note, rows)]


def vary_gamma(model: Model, request: Request) -> list[Strip]:
    row = {f"gamma {gamma:g}": replace(request, sampler=TCD, gamma=gamma) for gamma in GAMMAS}
    note = (
        "Look at fine detail, such as stars and grass: gamma 0 gives more of it than gamma 1."
        if is_miniature(model)
        else LOOK_AT_DETAIL
    )
    return [Strip(f"TCD gamma at {count(request.steps)}", note, [row])]


def show_both(model: Model, request: Request) -> list[Strip]:
    """Returns the strips that the page shows when it opens."""
    return vary_steps(model, request) + vary_gamma(model, replace(request, steps=8))


def count(steps: int) -> str:
    return f"{steps} step" if steps == 1 else f"{steps} steps"


def list_requests(strips: list[Strip]) -> list[tuple[str, Request]]:
    """Returns all requests with their captions, the fastest first."""
    cells: list[tuple[str, Request]] = [cell for strip in strips for row in strip.rows for cell in row.items()]
    return sorted(cells, key=lambda cell: cell[1].steps)
