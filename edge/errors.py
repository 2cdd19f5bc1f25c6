"""The one error family of this room: an image or a bundle is refused."""


class EdgeError(Exception):
    """Something given cannot be used. The message says what, what was expected, and what to do."""


class ImageRefused(EdgeError):
    """An image cannot be scored; the verdict's outcome is then `refused`."""


class BundleRefused(EdgeError):
    """A file is no bundle that this runtime can run."""


def refusal_of(error: Exception, quoted: bool) -> str:
    """Say why an image was not measured, in the same words wherever that happened. quoted: with what an unforeseen
    error says of itself."""
    if isinstance(error, ImageRefused):
        return str(error)
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    said = f": {error}" if quoted else ""
    return f"unexpected {type(error).__name__}{said}; please report it with the image"
