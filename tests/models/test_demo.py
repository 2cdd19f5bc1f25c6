"""`fisherlens demo`, as a newcomer types it."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import pydicom

from ..bundles import run


def test_the_demo_scores_its_acceptance_test_and_explains_it(tmp_path: Path) -> None:
    said = run("demo", "--output", tmp_path)
    assert "5 accepted, 3 flagged, 0 refused" in said
    for name in ("degraded", "attacked", "no-phantom"):
        assert re.search(rf"{name}\.dcm\s+flagged:\s+fisher_", said)
    files = sorted((tmp_path / "images").iterdir())
    assert len(files) == 8
    assert {pydicom.dcmread(path, stop_before_pixels=True).Modality for path in files} == {"MG"}
    page = (tmp_path / "report.html").read_text()
    assert "EUREF" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained
    assert page.count('class="map"') == 8
    assert cv2.imread(str(tmp_path / "verdict.png")) is not None
