"""A recipe that a job names: what its request leaves at the defaults, the recipe sets."""

from typing import Any

from modules import shared

from ..loras.prompt import find_loras, put_lora
from ..messages import NO_SUCH_LORA, RECIPE_NOT_USED
from ..presets import Recipe, Recipes
from .compat import host
from .errors import bad_input
from .loras import choose_lora, get_default_lora, is_for_tcd
from .said import say

RECIPES = Recipes(host.DATA / "tcd-recipes.json")


def follow_recipe(p: Any, name: Any) -> float | None:
    """Sets up a job by the recipe of that name; returns the recipe's gamma, if it has one.

    BadInput if there is none, or it is for img2img and the job is not.
    """
    if not name:
        return None
    with bad_input():
        recipe = RECIPES.find(name, img2img=hasattr(p, "init_images"))
    set_fields(p, recipe, host.find_request())
    add_lora(p, recipe)
    return recipe.gamma


def set_fields(p: Any, recipe: Recipe, request: Any) -> None:
    """Leaves what the request brings itself, and what a script such as the X/Y/Z plot has changed since.

    A client that always sends everything leaves nothing, which is said.
    """
    sent = host.get_sent_fields(request) if request else set()
    kept = sent & {"sampler_name", "sampler_index"}
    if not kept and has_defaults(p, request):
        with bad_input():
            check_sampler(recipe)
        p.sampler_name = recipe.sampler
        if "scheduler" not in sent:
            p.scheduler = recipe.schedule
    named = [field for field in ("steps", "cfg_scale", "denoising_strength") if getattr(recipe, field) is not None]
    for field in named:
        if request is None or (field not in sent and getattr(p, field) in (None, getattr(request, field))):
            value = getattr(recipe, field)
            setattr(p, field, value if field == "steps" else float(value))  # as a request's
    if kept and sent.issuperset(named) and differs(p, recipe, named):
        say(p, RECIPE_NOT_USED, recipe=recipe.name, fields=", ".join(sorted(kept | {*named})))


def differs(p: Any, recipe: Recipe, named: list[str]) -> bool:
    """Whether a job has other settings than a recipe's."""
    return p.sampler_name.lower() != recipe.sampler.lower() or any(
        getattr(p, field) != getattr(recipe, field) for field in named
    )


def has_defaults(p: Any, request: Any) -> bool:
    """Whether a job has the sampler and schedule of a request that names neither."""
    if request is None:
        return True
    samplers = {getattr(request, field, None) for field in ("sampler_name", "sampler_index")}
    schedules = {None, "", "Automatic", getattr(request, "scheduler", None)}
    return p.sampler_name in samplers and getattr(p, "scheduler", None) in schedules


def check_sampler(recipe: Recipe) -> None:
    """ValueError for the user's own recipe whose sampler has gone; the host would take another without a word."""
    if not host.has_sampler(recipe.sampler):
        raise ValueError(f"TCD recipe {recipe.name!r} wants the sampler {recipe.sampler!r}, which is not here.")


def add_lora(p: Any, recipe: Recipe) -> None:
    """Puts the recipe's LoRA into the job's prompts, where there is none for TCD yet."""
    if recipe.lora is None:
        return
    _, family = host.get_checkpoint(p)
    lora = choose_lora(recipe.lora, family)
    if lora is None:
        say(p, NO_SUCH_LORA, recipe=recipe.name, lora=recipe.lora, family=family or "this checkpoint")
        return
    default = get_default_lora(p)
    if default and isinstance(default[0], str) and (default[0] == lora.name or is_for_tcd(default[0])):
        return
    p.prompt = put_into(p, p.prompt, lora.name, recipe.weight)
    if getattr(p, "hr_prompt", None):
        p.hr_prompt = put_into(p, p.hr_prompt, lora.name, recipe.weight)


def put_into(p: Any, prompt: Any, name: str, weight: float) -> Any:
    """A prompt, or a list of them, with the LoRA where the host will see it."""
    if isinstance(prompt, list):
        return [put_into(p, one, name, weight) for one in prompt]
    has_comments = host.strips_comments(p)
    whole = shared.prompt_styles.apply_styles_to_prompt(prompt, p.styles or [])
    if any(found == name or is_for_tcd(found) for found, _ in find_loras(whole, has_comments)):
        return prompt
    return put_lora(prompt, name, weight, has_comments=has_comments)
