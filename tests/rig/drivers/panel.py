"""Flat panels: one that is simulated, and one that gives the frames of a recorded session."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import attr
import numpy as np
import pydicom
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.resource import Resource

from fisherlens.models.mammography.dicom import write_dicom
from fisherlens.models.mammography.phantom import Phantom
from fisherlens.models.mammography.systems import SYSTEMS

from ..panel_physics import HEALTHY, Condition, Panel
from ..protocols import PanelProtocol
from ..session import Frame, SessionRefused, frame_of, replay


@target_factory.reg_resource
@attr.s(eq=False)
class FlatPanel(Resource):
    """system: one of models.mammography.systems. rows, columns: of the central field that it puts out. seed: of its
    defects, of the phantom before it and of its noise."""

    system: str = attr.ib(default="scintillator, 0.1 mm", validator=attr.validators.in_(list(SYSTEMS)))
    rows: int = attr.ib(default=1100, validator=attr.validators.instance_of(int))
    columns: int = attr.ib(default=1100, validator=attr.validators.instance_of(int))
    seed: int = attr.ib(default=0, validator=attr.validators.instance_of(int))


@target_factory.reg_driver
@attr.s(eq=False)
class SimulatedPanelDriver(Driver, PanelProtocol):
    """Puts out DICOM files (MG, for processing) with identities of their own."""

    bindings = {"panel": FlatPanel, "source": "SimulatedSourceDriver"}  # noqa: RUF012

    def on_activate(self) -> None:
        resource = self.panel
        rng = np.random.default_rng([resource.seed, 4])
        detector = replace(SYSTEMS[resource.system], seed=resource.seed)
        self._panel = Panel(detector, Phantom(rng), resource.rows, resource.columns, resource.seed)
        self._condition = HEALTHY
        self._folder = tempfile.TemporaryDirectory(prefix="fisherlens-panel-")
        self._count = 0

    def on_deactivate(self) -> None:
        self._folder.cleanup()

    @Driver.check_active
    def disturb(self, condition: Condition) -> None:
        self._condition = condition

    @Driver.check_active
    def read(self) -> Frame:
        exposure, self.source.exposed = self.source.exposed, None
        if exposure is None:
            raise ExecutionError("no exposure since the last frame")
        self._count += 1
        path = Path(self._folder.name) / f"{self._count}.dcm"
        pixels = self._panel.read(exposure, self._condition)
        spacing = self._panel.detector.pixel_spacing
        write_dicom(path, pixels, exposure, "rig", spacing)
        identity = str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        truth = tuple(float(value) for value in self._panel.thresholds(exposure))
        description = f"{exposure.air_kerma:g} uGy" + (f", {said}" if (said := _said(self._condition)) else "")
        return frame_of(path, identity, description, air_kerma=exposure.air_kerma, truth=truth)


def _said(condition: Condition) -> str:
    """What differs from a healthy panel, in words."""
    changed = vars(condition).items() - vars(HEALTHY).items()
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in sorted(changed))


@target_factory.reg_resource
@attr.s(eq=False)
class RecordedSession(Resource):
    """folder: that a session was recorded in; relative to the environment file."""

    folder: str = attr.ib(validator=attr.validators.instance_of(str))


@target_factory.reg_driver
@attr.s(eq=False)
class ReplayPanelDriver(Driver, PanelProtocol):
    """Gives the frames of a recorded session, bit for bit, one for each exposure that is asked for."""

    bindings = {"session": RecordedSession}  # noqa: RUF012

    def on_activate(self) -> None:
        folder = self.session.folder
        self._folder = Path(self.target.env.config.resolve_path(folder) if self.target.env else folder)
        self._frames: Iterator[Frame] = replay(self._folder)

    @Driver.check_active
    def disturb(self, condition: Condition) -> None:
        if condition != HEALTHY:
            raise ExecutionError("a recorded panel is as it was recorded, and cannot be disturbed")

    @Driver.check_active
    def read(self) -> Frame:
        try:
            return next(self._frames)
        except StopIteration:
            raise ExecutionError(f"session {self._folder}: no frames are left") from None
        except SessionRefused as error:
            raise ExecutionError(str(error)) from error
