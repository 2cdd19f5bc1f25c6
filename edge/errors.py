"""The one error family of this room: an image or a bundle is refused."""


class EdgeError(Exception):
    """Something given cannot be used. The message says what, what was expected, and what to do."""


class ImageRefused(EdgeError):
    """An image cannot be scored; the verdict's outcome is then `refused`."""


class BundleRefused(EdgeError):
    """A file is no bundle that this runtime can run."""
