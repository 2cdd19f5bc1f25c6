"""A GigE Vision camera that gives frames of ours: `python -m tests.rig.fake_camera FRAMES.npy ADDRESS SERIAL`.

It is Aravis' fake camera, called as a C library, since introspection hands out copies of its buffers.
"""

from __future__ import annotations

import ctypes
import itertools
import signal
import sys

import numpy as np

_LIBRARY = "libaravis-0.8.so.0"
_Fill = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32
)  # ArvFakeCameraFillPattern


def main() -> None:
    """Give the frames, uint16 [frames, rows, columns], again and again until the process is ended. The client asks
    for width, height, Mono16 and the rate."""
    path, address, serial = sys.argv[1:]
    frames = itertools.cycle([np.ascontiguousarray(frame, "<u2").tobytes() for frame in np.load(path)])
    library = ctypes.CDLL(_LIBRARY)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.arv_gv_fake_camera_new.restype = pointer
    library.arv_gv_fake_camera_new.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    library.arv_gv_fake_camera_get_fake_camera.restype = pointer
    library.arv_gv_fake_camera_get_fake_camera.argtypes = [pointer]
    library.arv_fake_camera_set_fill_pattern.argtypes = [pointer, _Fill, pointer]
    library.arv_fake_camera_get_payload.restype = size
    library.arv_fake_camera_get_payload.argtypes = [pointer]
    library.arv_buffer_get_data.restype = pointer
    library.arv_buffer_get_data.argtypes = [pointer, ctypes.POINTER(size)]

    @_Fill
    def fill(buffer: int, _data: int, _exposure: int, _gain: int, _format: int) -> None:
        # The size that is asked for here is of what was received, so nothing yet: the camera knows its own.
        where = library.arv_buffer_get_data(buffer, ctypes.byref(size()))
        frame = next(frames)
        ctypes.memmove(where, frame, min(library.arv_fake_camera_get_payload(inside), len(frame)))

    camera = library.arv_gv_fake_camera_new(address.encode(), serial.encode())
    if not camera:
        sys.exit(f"no fake camera at {address}: its ports are taken")
    inside = library.arv_gv_fake_camera_get_fake_camera(camera)
    library.arv_fake_camera_set_fill_pattern(inside, fill, None)
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
