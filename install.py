"""Downloads published TCD LoRAs. WebUIs run this file too, at every start and without arguments: then it does nothing.

python install.py --list
python install.py TCD-SDXL-LoRA --to models/Lora
"""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

# The package, requests and tqdm are imported where they are used: a WebUI's start is not to wait for them.


def main() -> int:
    parser = argparse.ArgumentParser(description="Downloads published TCD LoRAs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a LoRA's name in the list")
    parser.add_argument("--list", action="store_true", help="print the list of LoRAs")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to put them, else the WebUI's models/Lora")
    arguments = parser.parse_args()
    try:
        published = find_published()
        if arguments.list:
            return print_list(published)
        return download_all(published, list(dict.fromkeys(arguments.names)), arguments.to or find_folder())
    except KeyboardInterrupt:
        return complain("Interrupted: what was not finished is not kept.", 130)


def complain(sentence: str, status: int = 1) -> int:
    print(sentence, file=sys.stderr)
    return status


def find_published() -> dict[str, Any]:
    from tcd_sampler.loras.catalogue import CATALOGUE

    return {lora.name: lora for lora in CATALOGUE.for_tcd}


def find_folder() -> Path | None:
    """The folder for LoRAs of the WebUI among whose extensions this one stands, if any."""
    extensions = Path(os.path.abspath(__file__)).parent.parent  # as it stands there, even if it is a link
    folder = extensions.parent / "models" / "Lora"
    return folder if extensions.name == "extensions" and folder.is_dir() else None


def print_list(published: dict[str, Any]) -> int:
    rows = [
        (lora.name, lora.family, f"{lora.size / 1e6:.0f} MB", lora.license, lora.use.line)
        for lora in published.values()
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(field.ljust(width) for field, width in zip(row, widths)).rstrip())
    return 0


def download_all(published: dict[str, Any], names: list[str], folder: Path | None) -> int:
    known = ", ".join(published)
    if not names:
        return complain(f"Name the LoRAs to download, of these: {known}.")
    for name in names:
        if name not in published:
            return complain(f"There is no LoRA {name} in the list: {known}.")
    if folder is None:
        return complain("This is not among a WebUI's extensions: name the folder for LoRAs with --to FOLDER.")
    return max([download_one(published[name], folder) for name in names])


def download_one(lora: Any, folder: Path) -> int:
    from tqdm import tqdm

    from tcd_sampler.loras.download import DownloadError, download

    try:
        with (
            tqdm(desc=lora.name, total=lora.size, unit="B", unit_scale=True) as bar,
            closing(download(lora, folder)) as progress,
        ):
            for n in progress:
                bar.update(n - bar.n)  # backwards where a server has to start over
    except DownloadError as error:
        return complain(str(error))
    print(f"Downloaded {folder / lora.name}.safetensors.")
    return 0


if __name__ == "__main__" and len(sys.argv) > 1:
    raise SystemExit(main())
