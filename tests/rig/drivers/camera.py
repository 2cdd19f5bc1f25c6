"""A measuring camera: GigE Vision, by Aravis' fake camera."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attr
import numpy as np
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.resource import Resource
from numpy.typing import NDArray

from ..protocols import CameraProtocol


@target_factory.reg_resource
@attr.s(eq=False)
class GigEVisionCamera(Resource):
    """address: at which the service looks for the camera. serial: that it answers with."""

    address: str = attr.ib(default="127.0.0.1", validator=attr.validators.instance_of(str))
    serial: str = attr.ib(default="RIG01", validator=attr.validators.instance_of(str))


@target_factory.reg_driver
@attr.s(eq=False)
class FakeCameraDriver(Driver, CameraProtocol):
    """A camera that gives the frames it is told to; the rate is asked for by the service."""

    bindings = {"camera": GigEVisionCamera}  # noqa: RUF012

    def on_activate(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="fisherlens-camera-")

    def on_deactivate(self) -> None:
        self.off()
        self._folder.cleanup()

    @Driver.check_active
    def show(self, images: Sequence[NDArray[np.uint16]]) -> None:
        self.off()
        path = Path(self._folder.name) / "frames.npy"
        np.save(path, np.stack(images))
        command = [sys.executable, "-m", "tests.rig.fake_camera", str(path), self.camera.address, self.camera.serial]
        root = Path(__file__).parents[3]
        self._process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._process.stdout is not None
        said = self._process.stdout.readline().decode()
        if said != "ready\n":
            raise ExecutionError(f"fake camera: {said or 'ended'} (Debian: aravis-tools)")

    @Driver.check_active
    def off(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
