"""What is likely wrong with a job's settings, in one sentence each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .catalogue import CATALOGUE, NAME, Identity, Use
from .lora import DIFFUSERS, PEFT, LoRA

FEW_STEPS = 8
"""Up to here, another schedule than TCD's own is seen in the picture."""

HIGHEST_CFG_SCALE = 2
"""What a LoRA with guidance distilled into it bears."""

NO_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: pictures may come out soft."
ADD_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: add {tag} to the prompt."
GET_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: get {lora}, beside the TCD recipes."
UNKNOWN = "There is no LoRA {lora} here; some WebUIs then leave out all LoRAs."
FAMILY = "{lora} is a LoRA for {family}, and the checkpoint is {checkpoint_family}."
FORMAT = (
    "{lora} is in the format of {format}, of which this WebUI loads little or nothing: "
    "Apply, beside the TCD recipes, offers a copy that it loads."
)
OTHER_LORA = "{lora} is a LoRA of {line}, not for TCD: it wants {sampler}, {steps} steps, CFG scale {cfg_scale}."
OTHER_LORA_BY_NAME = (
    "{lora} is, by its name, a LoRA of {line}, not for TCD: it wants {sampler}, {steps} steps, CFG scale {cfg_scale}."
)
CFG_SCALE = "CFG scale {cfg_scale} is too high for {lora}, which has guidance in it: set it to {wanted}."
SCHEDULE = "At {steps} steps, {schedule} is not the schedule that TCD wants: set the schedule type to Automatic."
STEPS = (
    "At denoising strength {strength}, {run} of the {steps} steps run: ask for {more}, or turn on in the settings "
    "that img2img does exactly the steps that the slider says."
)

TEMPLATES = (
    *(NO_LORA, ADD_LORA, GET_LORA, UNKNOWN, FAMILY, FORMAT, OTHER_LORA, OTHER_LORA_BY_NAME),
    *(CFG_SCALE, SCHEDULE, STEPS),
)


@dataclass(frozen=True)
class Hint:
    """A sentence, as its template and what goes into it, so that it can be translated."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)


@dataclass(frozen=True)
class Active:
    """A LoRA in a job's prompt: what its file is, or None where there is no such file (that can be read)."""

    name: str
    weight: float
    file: LoRA | None = None
    identity: Identity | None = None
    is_missing: bool = False

    @property
    def use(self) -> Use | None:
        return self.identity.use if self.identity else None


@dataclass(frozen=True)
class Job:
    """A job that TCD samples. find_tag finds a TCD LoRA for its checkpoint that is there, as prompts name it."""

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

    @property
    def active(self) -> list[Active]:
        return [lora for lora in self.loras if lora.weight != 0 and not lora.is_missing]


def find_hints(job: Job) -> list[Hint]:
    return [*find_missing_loras(job), *find_wrong_loras(job), *find_wrong_settings(job)]


def find_missing_loras(job: Job) -> Iterator[Hint]:
    for lora in job.loras:
        if lora.is_missing:
            yield Hint(UNKNOWN, {"lora": lora.name})
    if job.is_distilled or any(may_suit(lora) for lora in job.active):
        return
    published = CATALOGUE.find("TCD", job.family)
    checkpoint = {"checkpoint": job.checkpoint}
    tag = job.find_tag()
    if tag:
        yield Hint(ADD_LORA, {**checkpoint, "tag": tag})
    elif published:
        yield Hint(GET_LORA, {**checkpoint, "lora": published.name})
    else:
        yield Hint(NO_LORA, checkpoint)


def may_suit(lora: Active) -> bool:
    """Whether it is for TCD, or is a distillation that nothing tells the kind of."""
    if lora.use:
        return lora.use.is_for_tcd
    return lora.file is None or lora.file.looks_distilled


def find_wrong_loras(job: Job) -> Iterator[Hint]:
    for lora in job.active:
        if lora.file and None not in (lora.file.family, job.family) and lora.file.family != job.family:
            yield Hint(FAMILY, {"lora": lora.name, "family": lora.file.family, "checkpoint_family": job.family})
        elif lora.file and lora.file.format in (PEFT, DIFFUSERS):
            yield Hint(FORMAT, {"lora": lora.name, "format": lora.file.format})
        if lora.identity and lora.use and not lora.use.is_for_tcd and not samples_alike(lora.use, job.gamma):
            template = OTHER_LORA_BY_NAME if lora.identity.by == NAME else OTHER_LORA
            yield Hint(template, {"lora": lora.name, **describe(lora.use)})


def samples_alike(use: Use, gamma: float) -> bool:
    """At gamma 1, TCD samples as LCM does."""
    return use.line == "LCM" and gamma == 1


def describe(use: Use) -> dict[str, str]:
    sampler = f"{use.sampler}, {use.schedule}" if use.schedule else use.sampler
    ranges = {"steps": describe_range(use.steps), "cfg_scale": describe_range(use.cfg_scale)}
    return {"line": use.line, "sampler": sampler, **ranges}


def describe_range(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def find_wrong_settings(job: Job) -> Iterator[Hint]:
    if job.cfg_scale > HIGHEST_CFG_SCALE:
        for lora in job.active:
            if lora.use and lora.use.is_for_tcd and lora.use.cfg_scale[1] <= HIGHEST_CFG_SCALE:
                wanted = describe_range(lora.use.cfg_scale)
                yield Hint(CFG_SCALE, {"cfg_scale": f"{job.cfg_scale:g}", "lora": lora.name, "wanted": wanted})
                break
    if job.steps <= FEW_STEPS and job.schedule not in ("Automatic", "TCD"):
        yield Hint(SCHEDULE, {"steps": job.steps, "schedule": job.schedule})
    if job.strength is not None and not job.fixes_steps:
        run = count_steps(job.steps, job.strength)
        if run < job.steps:
            more = next(n for n in range(job.steps, 10**6) if count_steps(n, job.strength) >= job.steps)
            yield Hint(STEPS, {"strength": f"{job.strength:g}", "run": run, "steps": job.steps, "more": more})


def count_steps(steps: int, strength: float) -> int:
    """How many of them img2img runs."""
    return int(min(strength, 0.999) * steps) + 1
