"""Draws strips as HTML: a grid of images with captions, and the settings of each image to copy."""

from html import escape
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from ..output import make_png_info
from .strips import Strip

CSS = """
.strip { margin: 0 0 1.5rem; }
.strip h3 { margin: 0 0 .25rem; }
.strip p { margin: .25rem 0 .5rem; }
.strip .row {
  display: grid; gap: .5rem; margin-bottom: .5rem;
  grid-template-columns: repeat(var(--columns), minmax(0, 16rem));
}
.strip figure { margin: 0; }
#images .image { display: block; aspect-ratio: 1; padding: 0; background: var(--background-fill-secondary); }
#images .strip img { display: block; width: 100%; height: 100%; object-fit: contain; margin: 0; }
.strip figcaption { text-align: center; }
.strip details, .strip .details { font-size: .8em; }
.strip summary { cursor: pointer; }
/* a click selects all of it, to copy */
.strip pre { white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; margin: 0; }
#status { min-height: 4rem; }
#examples button { font-weight: normal; }
@media (max-width: 640px) { .strip .row { grid-template-columns: repeat(min(var(--columns), 3), minmax(0, 1fr)); } }
"""

SERVED = "/gradio_api/file="
"""The path under which Gradio serves files of the allowed folders."""


class Figures:
    """Images of strips, written to a folder as PNG files with their settings."""

    def __init__(self, folder: Path, strips: list[Strip]) -> None:
        self.folder, self.strips = folder, strips
        self.drawn: dict[str, str] = {}
        """HTML of the images that are done, by their captions."""

    def add(self, caption: str, image: Image.Image, number: int) -> None:
        """Writes an image; number makes its name unique among those of earlier requests."""
        path = self.folder / f"{number:05}-{caption.replace(', ', '-').replace(' ', '-')}.png"
        image.save(path, pnginfo=make_png_info(image))
        url = escape(SERVED + quote(path.as_posix()))
        self.drawn[caption] = (
            f'<a class="image" href="{url}" download="{escape(path.name)}" title="Download">'
            f'<img src="{url}" alt="{escape(caption)}"></a><figcaption>{escape(caption)}</figcaption>'
            f"<details><summary>Settings</summary><pre>{escape(image.info['parameters'])}</pre></details>"
        )

    def draw(self) -> str:
        """Returns the HTML of all strips, with empty places for the images that are not done."""
        return "".join(map(self.draw_strip, self.strips))

    def draw_strip(self, strip: Strip) -> str:
        rows = "".join(
            f'<div class="row" style="--columns: {len(row)}">'
            + "".join(f"<figure>{self.drawn.get(caption) or self.draw_place(caption)}</figure>" for caption in row)
            + "</div>"
            for row in strip.rows
        )
        return f'<div class="strip"><h3>{escape(strip.title)}</h3>{rows}<p>{escape(strip.note)}</p></div>'

    def draw_place(self, caption: str) -> str:
        """Returns a place as high as an image with its settings, so that nothing moves when the image comes."""
        return f'<div class="image"></div><figcaption>{escape(caption)}</figcaption><div class="details">&nbsp;</div>'
