"""The command that lists published TCD LoRAs and downloads them. It runs with a WebUI's own Python."""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from .. import messages
from ..errors import UserError
from .catalogue import CATALOGUE, PublishedLoRA


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Download published TCD LoRAs."
    parser.add_argument("names", nargs="*", metavar="NAME", help="LoRA name, as printed by --list")
    parser.add_argument("--list", action="store_true", help="list the available LoRAs")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="target folder (default: the WebUI's models/Lora)")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit status. Prints errors to stderr."""
    try:
        if args.list:
            return print_list()
        loras = select_loras(args.names)
        folder = args.to or find_folder()
        if folder is None:
            raise UserError(messages.NO_LORA_FOLDER)
        return max([download_one(lora, folder) for lora in loras])
    except UserError as error:
        return print_error(str(error))
    except KeyboardInterrupt:
        return print_error("Canceled. No incomplete file was kept.", 130)


def print_error(sentence: str, status: int = 1) -> int:
    """Prints an error and returns the exit status."""
    print(sentence, file=sys.stderr)
    return status


def select_loras(names: list[str]) -> list[PublishedLoRA]:
    """Returns the published LoRAs of these names. Raises UserError if there is no name, or an unknown one."""
    known = {lora.name: lora for lora in CATALOGUE.for_tcd}
    if not names:
        raise UserError(messages.NO_LORA_NAME, names=", ".join(known))
    for name in names:
        if name not in known:
            raise UserError(messages.UNKNOWN_LORA, names=", ".join(known), value=name)
    return [known[name] for name in dict.fromkeys(names)]


def find_folder() -> Path | None:
    """Returns the LoRA folder of the WebUI in whose extensions folder this package stands, if any."""
    root = Path(__file__).absolute().parents[2]
    shell = Path(os.environ.get("PWD", root))  # keeps a symbolic link, which Python's working directory does not
    if shell.exists() and shell.samefile(root):
        root = shell
    folder = root.parent.parent / "models" / "Lora"
    return folder if root.parent.name == "extensions" and folder.is_dir() else None


def print_list() -> int:
    loras = CATALOGUE.for_tcd
    rows = [
        (lora.name, lora.family, f"{lora.size / 1e6:.0f} MB", lora.license, lora.recommended.method) for lora in loras
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(field.ljust(width) for field, width in zip(row, widths)).rstrip())
    return 0


def download_one(lora: PublishedLoRA, folder: Path) -> int:
    """Downloads with a progress bar. A failure is printed, so that the other LoRAs are downloaded all the same."""
    from tqdm import tqdm

    from .download import download

    try:
        with (
            tqdm(desc=lora.name, total=lora.size, unit="B", unit_scale=True) as bar,
            closing(download(lora, folder)) as progress,
        ):
            for done in progress:
                bar.update(done - bar.n)  # backwards if the server has to start over
    except UserError as error:
        return print_error(str(error))
    print(f"Downloaded {folder / lora.name}.safetensors.")
    return 0
