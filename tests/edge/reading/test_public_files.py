"""The public DICOM files that pydicom ships, and the fuzzer in a small version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.data import get_testdata_files

from fisherlens.edge import Runtime

FILES = [Path(path) for path in get_testdata_files() if Path(path).is_file()]


def test_every_file_gives_a_verdict_or_is_refused_in_words(dicom_bundle: Path) -> None:
    runtime = Runtime.open(dicom_bundle)
    assert len(FILES) > 100
    for path in FILES:
        verdicts = list(runtime.score_file(path))
        assert verdicts, path
        for verdict in verdicts:
            assert verdict.outcome != "refused" or verdict.reasons[0], path
            assert "a fault of this software" not in "".join(verdict.reasons), (path, verdict.reasons)


@pytest.mark.parametrize("kind", ["dicom", "raster"])
def test_mutations_are_read_rightly_or_refused(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("atheris", reason="this machine does not allow atheris (it has wheels for Linux x86_64)")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.edge.fuzz",
            str(tmp_path / "corpus"),
            f"--kind={kind}",
            "-atheris_runs=5000",
            f"-artifact_prefix={tmp_path}/",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "no crash" in result.stdout
