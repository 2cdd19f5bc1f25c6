"""Pages from templates, reports that hold everything inside, and figures in them.

jinja2 comes with an extra, as matplotlib does: import this only where one brings it.
"""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from .storage import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def templates(folder: Path) -> jinja2.Environment:
    """Open a folder of templates: values are escaped, and one that is not given is an error."""
    return jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined)


def write_page(path: Path, template: Path, **values: Any) -> None:
    """Fill a template, which must be given every value that it names, and write the page."""
    write_whole(path, templates(template.parent).get_template(template.name).render(values).encode())


def png(figure: Figure) -> bytes:
    """Draw a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def inline(image: bytes) -> str:
    """Give a PNG as the address of an image that is inside the page."""
    return "data:image/png;base64," + base64.b64encode(image).decode()
