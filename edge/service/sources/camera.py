"""Frames of a GigE Vision camera, by Aravis through GObject introspection."""

from __future__ import annotations

import logging
import time
from typing import Any

import gi
import numpy as np

from ...errors import EdgeError
from ...reading.arrays import as_npy
from ..configuration import CameraTable
from ..faults import reach
from ..inbox import Inbox
from ..loop import Loop
from ..patience import retrying
from ..store import ImageTooLarge, StoreFailed

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis, GLib  # noqa: E402

_log = logging.getLogger(__name__)
_POP_MICROSECONDS = 200_000


class CameraFailed(EdgeError):
    """A camera is away or does not do what it is told; it is opened anew."""


class CameraSource(Loop):
    """Keeps every complete frame as a NumPy file. A camera waits for nobody: what comes while the store takes
    nothing is lost, as is a frame of which packets are missing. Both are counted and said."""

    def __init__(self, table: CameraTable, inbox: Inbox) -> None:
        super().__init__(f"camera {table.device}")
        self._table, self._inbox = table, inbox
        self.lost = 0

    def run(self) -> None:
        persistent = retrying(self.name, CameraFailed, self.stopping)
        while not self.stopping.is_set():
            try:
                persistent(self._acquire)
            except CameraFailed:
                return  # stopped while the camera was away

    def _acquire(self) -> None:
        """Take frames until the service stops. Raises CameraFailed."""
        try:
            camera = self._opened()
            stream = camera.create_stream(None, None)
            for _ in range(self._table.buffers):
                stream.push_buffer(Aravis.Buffer.new_allocate(camera.get_payload()))
            camera.start_acquisition()
            try:
                self._take_frames(stream)
            finally:
                camera.stop_acquisition()
        except GLib.Error as error:
            raise CameraFailed(error.message) from error

    def _opened(self) -> Any:
        camera = Aravis.Camera.new(self._table.device)
        camera.set_pixel_format_from_string(self._table.pixel_format)
        for feature, value in self._table.features.items():
            _set_feature(camera, feature, value)
        _log.info("%s: %s %s opened", self.name, camera.get_vendor_name(), camera.get_model_name())
        return camera

    def _take_frames(self, stream: Any) -> None:
        last = time.monotonic()
        while not self.stopping.is_set():
            buffer = stream.timeout_pop_buffer(_POP_MICROSECONDS)
            if buffer is None:
                if time.monotonic() - last > self._table.most_idle_seconds:
                    raise CameraFailed(f"no frame for {self._table.most_idle_seconds:g} s")
                continue
            last = time.monotonic()
            try:
                self._take(buffer)
            finally:
                stream.push_buffer(buffer)

    def _take(self, buffer: Any) -> None:
        number = buffer.get_frame_id()
        status = buffer.get_status()
        if status != Aravis.BufferStatus.SUCCESS:
            self._lose(number, f"incomplete ({status.value_nick})")
            return
        data = as_npy(_pixels(buffer, self._table.pixel_format))
        try:
            self._inbox.keep(data, f"{self._table.device} frame {number}")
        except (StoreFailed, ImageTooLarge) as failure:
            self._lose(number, str(failure))
            return
        reach("acknowledged")

    def _lose(self, number: int, reason: str) -> None:
        self.lost += 1
        _log.warning("%s: frame %d lost, %d in all: %s", self.name, number, self.lost, reason)


def _pixels(buffer: Any, pixel_format: str) -> np.ndarray:
    """uint8 or uint16 [rows, columns], little-endian as GigE Vision sends them."""
    dtype = np.dtype("u1" if pixel_format == "Mono8" else "<u2")
    shape = buffer.get_image_height(), buffer.get_image_width()
    return np.frombuffer(buffer.get_data(), dtype, count=shape[0] * shape[1]).reshape(shape)


def _set_feature(camera: Any, feature: str, value: float | int | bool | str) -> None:
    if isinstance(value, bool):
        camera.set_boolean(feature, value)
    elif isinstance(value, int):
        camera.set_integer(feature, value)
    elif isinstance(value, float):
        camera.set_float(feature, value)
    else:
        camera.set_string(feature, value)
