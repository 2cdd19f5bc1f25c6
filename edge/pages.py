"""Reports as pages that hold everything inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from .storage import write_whole


def write_page(path: Path, template: Path, **values: Any) -> None:
    """Fill a template, which must be given every value that it names, and write the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    write_whole(path, environment.get_template(template.name).render(values).encode())
