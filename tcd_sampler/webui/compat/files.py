"""The user's files: checkpoints and folders."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from modules import paths_internal, sd_models, shared

from ...loras.checkpoint import read_family
from ...loras.header import SD1, SD2, SDXL

DATA = Path(paths_internal.data_path)
"""The folder of the user's data."""


def get_checkpoint(p: Any = None) -> tuple[str, str | None]:
    """Returns the name and base family of a job's checkpoint, or of the selected one. The family is None if unknown.

    The checkpoint's file decides, because some hosts load no checkpoint before the first job. A job's own checkpoint is
    not loaded either when the job starts.
    """
    own = (p.override_settings or {}).get("sd_model_checkpoint") if p else None
    try:
        info = (own and sd_models.get_closet_checkpoint_match(own)) or sd_models.select_checkpoint()
    except FileNotFoundError:  # raised by some hosts if there is no checkpoint
        info = None
    if info is None:
        return "", None
    return info.name_for_extra, get_family(info.filename) or get_loaded_family()


def get_family(filename: str) -> str | None:
    """Returns the base family of a checkpoint file, or None if it is unknown or cannot be read."""
    try:
        status = os.stat(filename)
    except OSError:
        return None
    return read_cached_family(filename, status.st_size, status.st_mtime_ns)


@cache
def read_cached_family(filename: str, *_: Any) -> str | None:
    """Returns a file's base family. Cached, because a header of thousands of tensors is slow to read."""
    return read_family(Path(filename))


def get_loaded_family() -> str | None:
    """Returns the base family of the loaded checkpoint, or None."""
    families = {"is_sdxl": SDXL, "is_sd2": SD2, "is_sd1": SD1}
    return next((family for flag, family in families.items() if getattr(shared.sd_model, flag, False)), None)


def get_lora_folder() -> Path:
    """Returns the host's folder for LoRAs."""
    return Path(getattr(shared.cmd_opts, "lora_dir", DATA / "models" / "Lora"))
