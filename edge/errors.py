"""The one error family of this room: an image or a bundle is refused."""

from __future__ import annotations

import logging
from traceback import format_tb

_log = logging.getLogger(__name__)


class EdgeError(Exception):
    """Something given cannot be used. The message says what, what was expected, and what to do."""


class ImageRefused(EdgeError):
    """An image cannot be scored; the verdict's outcome is then `refused`."""


class BundleRefused(EdgeError):
    """A file is no bundle that this runtime can run."""


def refusal_of(error: Exception) -> str:
    """Say why an image was not measured, in the same words wherever that happened. Of an unforeseen error the log
    has the kind and the place, but not what it says: it may quote a value of the file, which may be a patient's."""
    if isinstance(error, ImageRefused):
        return str(error)
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    _log.error("unforeseen %s: %s", type(error).__name__, "".join(format_tb(error.__traceback__)))
    return "a fault of this software, not of the image; please report it with the log and the image"
