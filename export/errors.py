"""The one error family of this room: a network, or what was given with it, is refused."""


class ExportError(Exception):
    """Export cannot go on. The message names what was given, what was expected, and what to do."""


class NetworkError(ExportError):
    """The network cannot be turned into a bundle; the message names the node."""


class CalibrationError(ExportError):
    """The calibration images or targets cannot be used; the message names the file."""


class ParityError(ExportError):
    """The bundle does not agree with the network it was made from."""
