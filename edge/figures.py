"""Figures as bytes, and inside a page."""

from __future__ import annotations

import base64
from io import BytesIO

from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """Draw a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def inline(image: bytes) -> str:
    """Write a PNG as the address of an image that is inside the page."""
    return "data:image/png;base64," + base64.b64encode(image).decode()
