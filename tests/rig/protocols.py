"""What acceptance tests ask a rig for. Beside these, labgrid's own: PowerProtocol, CommandProtocol.

A device with another interface is one file of drivers that implement some of these, named in the environment file.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fisherlens.models.mammography.acquisition import Exposure

from .panel_physics import Condition
from .session import Frame

if TYPE_CHECKING:
    from .verdict_lines import Told


class NotAllowedHere(Exception):
    """A driver needs a right or a feature of the kernel that this machine does not give. What is only not installed is
    an ExecutionError."""


class XRaySourceProtocol(abc.ABC):
    """An X-ray source with its exposure trigger."""

    @abc.abstractmethod
    def on(self) -> None:
        """Be ready for exposures; nothing where it is."""

    @abc.abstractmethod
    def off(self) -> None:
        """Be off."""

    @abc.abstractmethod
    def expose(self, air_kerma: float) -> Exposure:
        """Expose with an air kerma at the detector in uGy; says what the exposure was.
        Raises ExecutionError where the source is off or cannot give it."""


class PanelProtocol(abc.ABC):
    """A flat panel that gives one frame for each exposure."""

    @abc.abstractmethod
    def read(self) -> Frame:
        """The frame of the last exposure. Raises ExecutionError where there was none since the last frame."""

    @abc.abstractmethod
    def disturb(self, condition: Condition) -> None:
        """From the next frame on, be in this condition."""


class ModalityProtocol(abc.ABC):
    """What hands frames to the service as a modality does."""

    @abc.abstractmethod
    def send(self, frames: Sequence[Frame]) -> list[bool]:
        """Send frames in this order; for each, whether the service said that it has it."""

    @abc.abstractmethod
    def send_part(self, frame: Frame) -> None:
        """Begin to send a frame and die in the middle of it."""

    @abc.abstractmethod
    def send_unheard(self, frame: Frame) -> None:
        """Send a frame whole, and lose the connection before the answer is heard."""


class DicomPeerProtocol(abc.ABC):
    """Whoever says to be some DICOM application entity."""

    @abc.abstractmethod
    def is_let_in(self, frame: Frame, calling: str, called: str) -> bool:
        """Whether the service takes an association of these AE titles, over which a frame would be sent."""


class CameraProtocol(abc.ABC):
    """A measuring camera."""

    @abc.abstractmethod
    def show(self, images: Sequence[NDArray[np.uint16]]) -> None:
        """Give these frames, uint16 [rows, columns], again and again in this order."""

    @abc.abstractmethod
    def off(self) -> None:
        """Give no more."""


class ServiceProtocol(abc.ABC):
    """The service under test."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start it and return once it runs; nothing where it does. Raises ExecutionError."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End it as an administrator does, and wait."""

    @abc.abstractmethod
    def is_alive(self) -> bool:
        """Whether it runs."""

    @abc.abstractmethod
    def swap(self, bundle: Path, signature: Path | None = None) -> bool:
        """Put another bundle in the place of the configured one and have it taken up; whether it was."""

    @abc.abstractmethod
    def verdicts(self) -> list[Told]:
        """All that was delivered so far, in order."""

    @abc.abstractmethod
    def log(self, start: int = 0) -> str:
        """What it wrote to its log, from so many bytes on."""


class ArchiveProtocol(abc.ABC):
    """The archive that verdicts are delivered to."""

    @abc.abstractmethod
    def start(self) -> None:
        """Be there."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Be away."""

    @abc.abstractmethod
    def reports_on(self, frame: Frame) -> int:
        """How many structured reports it has on an image."""


class NetworkFaultProtocol(abc.ABC):
    """The network between modality and service."""

    @abc.abstractmethod
    def impair(
        self,
        *,
        loss_percent: float = 0,
        delay_ms: float = 0,
        jitter_ms: float = 0,
        reorder_percent: float = 0,
        kilobits_per_second: int = 0,
    ) -> None:
        """Lose, delay, reorder packets in both directions; 0 kilobits for no limit of the rate."""  # fmt: skip

    @abc.abstractmethod
    def restore(self) -> None:
        """Be a good network again."""


class DiskFaultProtocol(abc.ABC):
    """The disk that the service keeps images and verdicts on."""

    @abc.abstractmethod
    def fill(self) -> None:
        """Leave no room."""

    @abc.abstractmethod
    def slow(self, seconds: float) -> None:
        """Let every request to put data on stable storage take longer by so much."""

    @abc.abstractmethod
    def restore(self) -> None:
        """Have room and speed again."""


class ClockProtocol(abc.ABC):
    """The target's clock of the day. What counts elapsed time is not touched."""

    @abc.abstractmethod
    def prefix(self) -> str:
        """What the shell command that starts the service begins with, for it to have this clock."""

    @abc.abstractmethod
    def jump(self, seconds: float) -> None:
        """Go forward, or back, from where it is now."""

    @abc.abstractmethod
    def restore(self) -> None:
        """Tell the true time again."""
