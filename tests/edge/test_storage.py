"""Files that are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from fisherlens.edge.storage import whole, write_whole


def test_a_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole(path) as file:
        file.write(b"first ")
        file.write(b"second")
        assert not path.exists()
    assert path.read_bytes() == b"first second"
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_that_is_not_written_to_its_end_leaves_the_former(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"former")
    with pytest.raises(TypeError), whole(path) as file:
        file.writelines([b"a part", "no bytes"])  # type: ignore[list-item]
    assert path.read_bytes() == b"former"
    assert [*tmp_path.iterdir()] == [path]
