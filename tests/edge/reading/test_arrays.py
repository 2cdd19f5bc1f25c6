"""NumPy arrays: frames of their first axis, and refusals in our words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import open_image


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i2", "f2", "f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_type_and_order_gives_the_values(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.random.default_rng(0).integers(0, 100, (3, 4, 5, 2)).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))  # type: ignore[call-overload]
    file = open_image(tmp_path / "a.npy")
    assert (file.header.frames, file.header.rows, file.header.columns, file.header.samples_per_pixel) == (3, 4, 5, 2)
    for index, frame in enumerate(array):
        np.testing.assert_array_equal(file.frame(index).pixels, frame)


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((8, 8)))
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ImageRefused) as refused:
            open_image(path)
        assert "ValueError" not in str(refused.value)
    assert "with 511 bytes of values, expected 512: it is cut off" in str(refused.value)
