"""What is likely wrong with a job's settings, in one sentence each."""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from . import messages
from .loras.catalogue import CATALOGUE, NAME, Identity, Use
from .loras.header import DIFFUSERS, PEFT, PROCESSORS, LoRA
from .messages import Message

FEW_STEPS = 8
"""Up to here, another schedule than TCD's own is seen in the image."""

HIGHEST_CFG_SCALE = 2
"""What a LoRA with guidance distilled into it bears."""

HIGHEST_STRENGTH = 0.999
"""That the WebUIs count img2img's steps with."""


@dataclass(frozen=True)
class Active:
    """A LoRA in a job's prompt: what its file is, or None where there is no such file (that can be read).

    is_ambiguous: the name is an alias of several files. fault: why no WebUI can load the file, if so.
    """

    name: str
    weight: float
    file: LoRA | None = None
    identity: Identity | None = None
    is_missing: bool = False
    is_ambiguous: bool = False
    fault: str | None = None

    @property
    def use(self) -> Use | None:
        return self.identity.use if self.identity else None


@dataclass(frozen=True)
class Job:
    """A job that TCD samples. find_tag finds a TCD LoRA for its checkpoint that is there, as prompts name it.

    foreign are the formats of which its WebUI loads parts or nothing. unreadable are the tags, and settings, over which
    it applies no LoRA at all.
    """

    steps: int
    cfg_scale: float
    schedule: str
    checkpoint: str
    family: str | None
    is_distilled: bool
    loras: list[Active]
    gamma: float = 0.3
    find_tag: Callable[[], str | None] = lambda: None
    strength: float | None = None
    fixes_steps: bool = False
    foreign: Collection[str] = (PEFT, DIFFUSERS, PROCESSORS)
    unreadable: Collection[str] = ()

    @property
    def active(self) -> list[Active]:
        return [lora for lora in self.loras if lora.weight != 0 and not lora.is_missing and lora.fault is None]


def find_warnings(job: Job) -> list[Message]:
    return [*find_missing_loras(job), *find_wrong_loras(job), *find_wrong_settings(job)]


def find_missing_loras(job: Job) -> Iterator[Message]:
    for unreadable in job.unreadable:
        yield Message(messages.UNREADABLE, {"tag": unreadable})
    for lora in job.loras:
        if lora.fault is not None:
            yield Message(lora.fault, {"lora": lora.name})
        elif lora.is_missing:
            yield Message(messages.AMBIGUOUS if lora.is_ambiguous else messages.UNKNOWN, {"lora": lora.name})
    if job.unreadable or job.is_distilled or any(may_suit(lora) for lora in job.active):
        return
    published = CATALOGUE.find("TCD", job.family)
    checkpoint = {"checkpoint": job.checkpoint}
    tag = job.find_tag()
    if tag:
        yield Message(messages.ADD_LORA, {**checkpoint, "tag": tag})
    elif published:
        yield Message(messages.GET_LORA, {**checkpoint, "lora": published.name})
    else:
        yield Message(messages.NO_LORA, checkpoint)


def may_suit(lora: Active) -> bool:
    """Whether it is for TCD, or is a distillation that nothing tells the kind of."""
    if lora.use:
        return lora.use.is_for_tcd
    return lora.file is None or lora.file.looks_distilled


def find_wrong_loras(job: Job) -> Iterator[Message]:
    for lora in job.active:
        if lora.file and None not in (lora.file.family, job.family) and lora.file.family != job.family:
            yield Message(
                messages.FAMILY, {"lora": lora.name, "family": lora.file.family, "checkpoint_family": job.family}
            )
        elif lora.file and lora.file.format in job.foreign:
            yield Message(messages.FORMAT, {"lora": lora.name, "format": lora.file.format})
        if lora.identity and lora.use and not lora.use.is_for_tcd and not samples_alike(lora.use, job.gamma):
            template = messages.OTHER_LORA_BY_NAME if lora.identity.by == NAME else messages.OTHER_LORA
            yield Message(template, {"lora": lora.name, **describe(lora.use)})


def samples_alike(use: Use, gamma: float) -> bool:
    """At gamma 1, TCD samples as LCM does."""
    return use.method == "LCM" and gamma == 1


def describe(use: Use) -> dict[str, str]:
    sampler = f"{use.sampler}, {use.schedule}" if use.schedule else use.sampler
    ranges = {"steps": describe_range(use.steps), "cfg_scale": describe_range(use.cfg_scale)}
    return {"method": use.method, "sampler": sampler, **ranges}


def describe_range(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def find_wrong_settings(job: Job) -> Iterator[Message]:
    if job.cfg_scale > HIGHEST_CFG_SCALE:
        for lora in job.active:
            if lora.use and lora.use.is_for_tcd and lora.use.cfg_scale[1] <= HIGHEST_CFG_SCALE:
                allowed = describe_range(lora.use.cfg_scale)
                yield Message(
                    messages.CFG_SCALE, {"cfg_scale": f"{job.cfg_scale:g}", "lora": lora.name, "allowed": allowed}
                )
                break
    if job.steps <= FEW_STEPS and job.schedule not in ("Automatic", "TCD"):
        yield Message(messages.SCHEDULE, {"steps": job.steps, "schedule": job.schedule})
    if job.strength is not None and not job.fixes_steps:
        run = count_steps(job.steps, job.strength)
        if run < job.steps:
            more = math.ceil((job.steps - 1) / max(min(job.strength, HIGHEST_STRENGTH), 0.001))
            more += count_steps(more, job.strength) < job.steps  # the quotient, rounded down
            yield Message(
                messages.STEPS, {"strength": f"{job.strength:g}", "run": run, "steps": job.steps, "more": more}
            )


def count_steps(steps: int, strength: float) -> int:
    """How many of them img2img runs."""
    return int(min(strength, HIGHEST_STRENGTH) * steps) + 1
