"""The user's files: checkpoints, and folders."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from modules import paths_internal, sd_models, shared

from ...loras.checkpoint import read_family
from ...loras.header import SD1, SD2, SDXL

DATA = Path(paths_internal.data_path)
"""Where the user's own things are."""


def get_checkpoint(p: Any = None) -> tuple[str, str | None]:
    """The checkpoint that a job will have, or that is chosen, and its base family where it can be told.

    By its file, for some load it with the first job only, and a job's own checkpoint is not loaded when it starts.
    """
    own = (p.override_settings or {}).get("sd_model_checkpoint") if p else None
    try:
        info = (own and sd_models.get_closet_checkpoint_match(own)) or sd_models.select_checkpoint()
    except FileNotFoundError:  # as some hosts say it that there is no checkpoint at all
        info = None
    if info is None:
        return "", None
    return info.name_for_extra, get_family(info.filename) or get_loaded_family()


def get_family(filename: str) -> str | None:
    try:
        status = os.stat(filename)
    except OSError:
        return None
    return read_cached_family(filename, status.st_size, status.st_mtime_ns)


@cache
def read_cached_family(filename: str, *_: Any) -> str | None:
    """A header of thousands of tensors takes longer to read than a job may wait."""
    return read_family(Path(filename))


def get_loaded_family() -> str | None:
    families = {"is_sdxl": SDXL, "is_sd2": SD2, "is_sd1": SD1}
    return next((family for flag, family in families.items() if getattr(shared.sd_model, flag, False)), None)


def get_lora_folder() -> Path:
    return Path(getattr(shared.cmd_opts, "lora_dir", DATA / "models" / "Lora"))
