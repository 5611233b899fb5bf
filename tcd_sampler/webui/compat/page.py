"""The page: the position of components, its load event, and what visitors may do."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio
from modules import localization, scripts, shared


def on_page_load(fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    """Makes the page that is being built call fn whenever a browser opens it."""
    gradio.context.Context.root_block.load(fn, inputs=inputs, outputs=outputs, show_progress=False, queue=False)


@contextmanager
def placed_after(block: Any) -> Iterator[None]:
    """Places the components of the with block after a Gradio block that is still open.

    A1111 1.6 calls on_after_component for components, but not for blocks.
    """
    context = gradio.context.Context
    inside, context.block = context.block, block.parent
    try:
        yield
    finally:
        context.block = inside


def prefer_other_localizations(folder: Path) -> None:
    """Selects another extension's localization file if the host loads only one per language (A1111 1.6).

    That file translates the whole page; ours translates this extension.
    """
    for language, path in localization.localizations.items():
        if isinstance(path, str) and Path(path).parent == folder:
            files = [file.path for file in scripts.list_scripts("localizations", ".json")]
            others = [file for file in files if Path(file).stem == language and Path(file).parent != folder]
            localization.localizations[language] = others[-1] if others else path


def shows_errors(p: Any) -> bool:
    """Whether the user sees a job's exceptions.

    Some hosts run the page's jobs in a separate thread, lose their exceptions and show an unrelated error.
    """
    thread = sys.modules.get("modules_forge.main_thread")
    return p.is_api or thread is None or hasattr(thread, "last_exception")


def runs_generators() -> bool:
    """Whether a button's function may be a generator that shows progress. Gradio 3 requires its queue for them."""
    return not getattr(shared.cmd_opts, "no_gradio_queue", False)


def may_write_files() -> bool:
    """Whether the page may write files. False if the WebUI is shared, hides its folders or freezes its settings."""
    is_shared = shared.cmd_opts.disable_extension_access
    return not (is_shared or shared.cmd_opts.hide_ui_dir_config or shared.cmd_opts.freeze_settings)


def read_saved_default(tab: str, label: str) -> Any:
    """Returns a control's value in the user's ui-config.json, or None. The host itself reports an unreadable file."""
    try:
        saved = json.loads(Path(shared.cmd_opts.ui_config_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return saved.get(f"customscript/tcd.py/{tab}/{label}/value") if isinstance(saved, dict) else None


def runs_script(p: Any) -> bool:
    """Whether a script that users select, such as SD upscale, runs the job. The first argument is its index."""
    return bool(p.script_args and p.script_args[0])
