"""Whatever is given, each file gets its record, in words, and the others are still scored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from fisherlens.edge import Runtime
from fisherlens.edge.verdict import json_schema

from ..bundles import run, usual_image
from .malformed import MALFORMED


@pytest.mark.parametrize("case", MALFORMED)
def test_a_bad_file_is_refused_in_words_and_the_others_are_scored(
    case: str, tmp_path: Path, dicom_bundle: Path
) -> None:
    make, words = MALFORMED[case]
    good = tmp_path / "good.npy"
    np.save(good, usual_image(2000))
    (tmp_path / "work").mkdir()
    lines = run("score", dicom_bundle, make(tmp_path / "work"), good, "--json", expect=11).splitlines()
    *_, bad, scored = records = [json.loads(line) for line in lines]
    assert bad["outcome"] == "refused"
    assert re.search(words, bad["reasons"][0]), bad["reasons"]
    assert scored["outcome"] != "refused"
    for record in records:
        jsonschema.validate(record, json_schema())


def test_each_frame_has_its_own_verdict(tmp_path: Path, dicom_bundle: Path) -> None:
    frames = np.stack([usual_image(3000), np.full((32, 32), 9, np.uint16), usual_image(3001)])
    np.save(tmp_path / "frames.npy", frames)
    verdicts = list(Runtime.open(dicom_bundle).score_file(tmp_path / "frames.npy"))
    assert [verdict.frame for verdict in verdicts] == [1, 2, 3]
    assert [verdict.outcome == "refused" for verdict in verdicts] == [False, True, False]


def test_an_unforeseen_error_refuses_one_frame_and_loses_no_other(
    tmp_path: Path, dicom_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = Runtime.open(dicom_bundle)
    calls = []

    def fails_once(image: np.ndarray, explain: bool) -> dict[str, np.ndarray]:
        calls.append(image)
        if len(calls) == 1:
            raise RuntimeError("device lost")
        return original(image, explain)

    original = runtime.bundle.run
    monkeypatch.setattr(type(runtime.bundle), "run", lambda self, image, explain: fails_once(image, explain))
    np.save(tmp_path / "two.npy", np.stack([usual_image(1), usual_image(2)]))
    first, second = runtime.score_file(tmp_path / "two.npy")
    assert first.outcome == "refused"
    assert "a fault of this software" in first.reasons[0]
    assert "RuntimeError" in caplog.text
    assert second.outcome != "refused"


def test_an_array_is_scored_or_refused_like_a_file(dicom_bundle: Path) -> None:
    runtime = Runtime.open(dicom_bundle)
    assert runtime.score(usual_image(5)).results
    refused = runtime.score(np.zeros((3, 3, 3, 3)))
    assert refused.outcome == "refused"
    assert "shape" in refused.reasons[0]
