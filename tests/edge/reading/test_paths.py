"""Files are opened here and never by a library: what a path looks like kills nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ...bundles import usual_image
from ..pictures import saved, tiff


@pytest.mark.skipif(sys.platform != "linux", reason="unsupported feature: paths that are no text")
def test_files_whose_paths_are_no_text_are_scored_like_others(tmp_path: Path, ensemble_bundle: Path) -> None:
    image = usual_image(1)
    (tmp_path / "good.png").write_bytes(saved(image, "PNG"))
    contents = {
        b"a\xff\xfe.png": saved(image, "PNG"),
        b"b\xe9.tif": tiff(image),
        b"c\xe9.tif": tiff(image, compression="lzw"),
        b"d\xe9.tif": tiff(image, compression="zlib", tile=(16, 16)),
        b"e\xe9.pgm": b"P5\n32 32\n65535\n" + image.astype(">u2").tobytes(),
    }
    paths = [os.path.join(os.fsencode(tmp_path), name) for name in contents]
    for path, data in zip(paths, contents.values(), strict=True):
        Path(os.fsdecode(path)).write_bytes(data)
    np.save(tmp_path / "array", image)
    os.rename(tmp_path / "array.npy", os.path.join(os.fsencode(tmp_path), b"f\xe9.npy"))
    paths = [*paths, os.path.join(os.fsencode(tmp_path), b"f\xe9.npy"), os.fsencode(tmp_path / "good.png")]
    command: list[str | bytes | Path] = [
        sys.executable,
        "-m",
        "fisherlens.edge.commands.main",
        "score",
        ensemble_bundle,
        *paths,
        "--json",
    ]
    scored = subprocess.run(command, capture_output=True, check=False)
    assert scored.returncode >= 0, f"ended by signal {-scored.returncode}"
    records = [json.loads(line) for line in scored.stdout.splitlines()]
    said = [(record["outcome"], record["reasons"], record["results"]) for record in records]
    assert said == [said[-1]] * len(paths), "all like the one with an ordinary path"
    assert scored.stderr == b""
