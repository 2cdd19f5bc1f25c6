"""The devices of one rig, found by what they can do and never by what they are."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydicom
from labgrid import Target
from labgrid.exceptions import NoDriverFoundError
from labgrid.protocol import PowerProtocol
from pydicom.dataset import FileDataset

from .audit import Account, Reference, Sent, account
from .panel_physics import HEALTHY, Condition
from .protocols import (
    ArchiveProtocol,
    ClockProtocol,
    DiskFaultProtocol,
    ModalityProtocol,
    NetworkFaultProtocol,
    PanelProtocol,
    ServiceProtocol,
    XRaySourceProtocol,
)
from .session import Frame, Recorder, frame_of
from .verdict_lines import Told


class Station:
    """A modality with its service. reference: what the bundle under test says by itself. patience: seconds after which
    what did not happen counts as not happening."""

    def __init__(self, target: Target, reference: Reference, recorder: Recorder) -> None:
        self._target = target
        self._recorder = recorder
        self.reference = reference
        self._power: Any = self._optional(PowerProtocol)  # before what lives on its disk
        self._network: Any = self._optional(NetworkFaultProtocol)
        self._clock: Any = self._optional(ClockProtocol)
        self._archive: Any = self._optional(ArchiveProtocol)
        if self._archive is not None:
            self._archive.start()
        self.source: XRaySourceProtocol = target.get_driver(XRaySourceProtocol)
        self.source.on()
        self.panel: PanelProtocol = target.get_driver(PanelProtocol)
        self.modality: ModalityProtocol = target.get_driver(ModalityProtocol, name="dicom")
        self.service: ServiceProtocol = target.get_driver(ServiceProtocol)
        self.service.start()
        self.sent: list[Sent] = []
        self.patience = 60.0

    def _optional(self, protocol: type) -> Any:
        try:
            return self._target.get_driver(protocol)
        except NoDriverFoundError:
            return None

    @property
    def power(self) -> PowerProtocol:
        return self._required(self._power, PowerProtocol)

    @property
    def network(self) -> NetworkFaultProtocol:
        return self._required(self._network, NetworkFaultProtocol)

    @property
    def clock(self) -> ClockProtocol:
        return self._required(self._clock, ClockProtocol)

    @property
    def archive(self) -> ArchiveProtocol:
        return self._required(self._archive, ArchiveProtocol)

    @property
    def disk(self) -> DiskFaultProtocol:
        return self._target.get_driver(DiskFaultProtocol)

    @property
    def file_drop(self) -> ModalityProtocol:
        return self._target.get_driver(ModalityProtocol, name="file-drop")

    def restore(self) -> None:
        """Take back all faults that there are drivers for, and have the service run."""
        if self._power is not None:
            self._power.on()
        for fault in (self._network, self._optional(DiskFaultProtocol), self._clock):
            if fault is not None:
                fault.restore()
        if self._archive is not None:
            self._archive.start()
        self.service.start()

    def swap_back(self, work: Path) -> bool:
        """Have a signed bundle in its place again, the later one where that was taken before; whether it was."""
        return any(self.service.swap(work / name, work / f"{name}.sig") for name in ("main.onnx", "other.onnx"))

    def resource(self, name: str) -> Any:
        """A resource that a test names by its kind."""
        return self._target.get_resource(name)

    def driver(self, protocol: type | str) -> Any:
        """A driver of what a test needs."""
        return self._target.get_driver(protocol)

    @staticmethod
    def _required(driver: Any, protocol: type) -> Any:
        assert driver is not None, f"the environment file names no driver for {protocol.__name__}"
        return driver

    def image(self, air_kerma: float = 100.0, condition: Condition = HEALTHY) -> Frame:
        """Expose, and read the panel in a condition. The frame is recorded."""
        if condition != HEALTHY:
            self.panel.disturb(condition)
        try:
            self.source.expose(air_kerma)
            return self._recorder.record(self.panel.read())
        finally:
            if condition != HEALTHY:
                self.panel.disturb(HEALTHY)

    def altered(self, description: str, alter: Callable[[FileDataset], object]) -> Frame:
        """A usual frame as somebody changed it, under an identity of its own. It is recorded as well."""
        usual = self.image()
        dataset = pydicom.dcmread(usual.path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        alter(dataset)
        with tempfile.TemporaryDirectory(prefix="fisherlens-rig-") as folder:
            path = Path(folder) / f"altered{usual.path.suffix}"
            dataset.save_as(path)
            description = f"{usual.description}, {description}"
            frame = frame_of(path, str(dataset.SOPInstanceUID), description, air_kerma=usual.air_kerma)
            return self._recorder.record(frame)

    def send(self, *frames: Frame, by: ModalityProtocol | None = None) -> list[Sent]:
        """Send frames in order, each once; what became of each."""
        modality = by or self.modality
        sent = [self._send_once(frame, modality) for frame in frames]
        self.sent += sent
        return sent

    def send_until_acknowledged(self, *frames: Frame) -> list[Sent]:
        """Send frames as a modality does, which keeps one until it was taken."""
        end = time.monotonic() + self.patience
        sent = []
        for frame in frames:
            while not (attempt := self._send_once(frame, self.modality)).acknowledged and time.monotonic() < end:
                time.sleep(0.5)
            sent.append(attempt)
        self.sent += sent
        return sent

    def _send_once(self, frame: Frame, modality: ModalityProtocol) -> Sent:
        (acknowledged,) = modality.send([frame])
        return Sent(frame, acknowledged, time.monotonic())

    def wait_for(self, sent: Sequence[Sent]) -> bool:
        """Until every acknowledged frame has a verdict; whether it came to that in time."""
        wanted = {entry.frame.identity for entry in sent if entry.acknowledged}
        return self.wait_until(lambda: wanted <= {line.verdict.source for line in self.service.verdicts()})

    def wait_until(self, holds: Callable[[], bool]) -> bool:
        """Until something holds; whether it came to that in time."""
        end = time.monotonic() + self.patience
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def told_of(self, sent: Sequence[Sent]) -> list[Told]:
        """Verdicts on frames, in the order in which they were delivered."""
        wanted = {entry.frame.identity for entry in sent}
        return [line for line in self.service.verdicts() if line.verdict.source in wanted]

    def account(self, sent: Sequence[Sent]) -> Account:
        """What became of frames; what else was told is a stranger only where it was never sent at all."""
        known = {entry.frame.identity for entry in self.sent} - {entry.frame.identity for entry in sent}
        told = [line for line in self.service.verdicts() if line.verdict.source not in known]
        return account(sent, told, self.reference.differs)
