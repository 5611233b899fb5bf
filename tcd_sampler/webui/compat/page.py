"""The page: where components stand, when it loads, and what its visitors may do."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio
from modules import localization, scripts, shared


def on_page_load(fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    """Calls fn whenever a browser opens the page that is being built."""
    gradio.context.Context.root_block.load(fn, inputs=inputs, outputs=outputs, show_progress=False, queue=False)


@contextmanager
def placed_after(block: Any) -> Iterator[None]:
    """Puts components after a block that is still being filled. (A1111 1.6 announces components, but no blocks.)"""
    context = gradio.context.Context
    inside, context.block = context.block, block.parent
    try:
        yield
    finally:
        context.block = inside


def make_way_for_localizations(folder: Path) -> None:
    """Where the host takes one file for a language (A1111 1.6), leaves it to another's, which translates all of it."""
    for language, path in localization.localizations.items():
        if isinstance(path, str) and Path(path).parent == folder:
            files = [file.path for file in scripts.list_scripts("localizations", ".json")]
            others = [file for file in files if Path(file).stem == language and Path(file).parent != folder]
            localization.localizations[language] = others[-1] if others else path


def shows_errors(p: Any) -> bool:
    """Whether what a job raises is shown to who asked for it.

    Of the hosts that run the page's jobs in a thread of their own, some lose it there, and show an error of theirs.
    """
    thread = sys.modules.get("modules_forge.main_thread")
    return p.is_api or thread is None or hasattr(thread, "last_exception")


def runs_generators() -> bool:
    """Whether a button can show progress: without its queue, Gradio 3 cannot."""
    return not getattr(shared.cmd_opts, "no_gradio_queue", False)


def may_write_files() -> bool:
    """Not for visitors from elsewhere, nor where the host is told to hide its folders or to freeze its settings."""
    is_shared = shared.cmd_opts.disable_extension_access
    return not (is_shared or shared.cmd_opts.hide_ui_dir_config or shared.cmd_opts.freeze_settings)


def read_saved_default(tab: str, label: str) -> Any:
    """A control's value in the user's ui-config.json; None where there is none. The host says what it cannot read."""
    try:
        saved = json.loads(Path(shared.cmd_opts.ui_config_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return saved.get(f"customscript/tcd.py/{tab}/{label}/value") if isinstance(saved, dict) else None


def runs_script(p: Any) -> bool:
    """Whether a job is run by one of the scripts that users select, such as SD upscale: the first script argument."""
    return bool(p.script_args and p.script_args[0])
