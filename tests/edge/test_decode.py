"""One way of an image: the same decoding, the same words, in this process and in the sandbox."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from fisherlens.edge import Runtime, decode
from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.decode import Arrived, Decoded
from fisherlens.edge.reading import ImageFile, open_image
from fisherlens.edge.sandbox import Sandbox

from ..bundles import usual_image


def test_a_file_is_opened_once_for_all_of_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "three.npy"
    np.save(path, np.stack([usual_image(seed) for seed in range(3)]))
    opened: list[Path] = []

    def counting(path: Path) -> ImageFile:
        opened.append(path)
        return open_image(path)

    decoded = decode.decoder(counting)
    assert all(decoded(path, index, Input()).image is not None for index in range(3))
    assert opened == [path]


def test_what_an_unforeseen_error_says_of_a_file_is_not_told(tmp_path: Path) -> None:
    def failing(path: Path) -> ImageFile:
        raise KeyError("QUIGLEY^ZEBEDIAH")

    decoded = decode.decode(tmp_path / "image.dcm", 0, Input(), failing)
    assert decoded == Decoded(
        1, None, "a fault of this software, not of the image; please report it with the log and the image"
    )


def test_memory_that_does_not_suffice_is_told_in_the_same_words_wherever_it_happens(
    dicom_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> ImageFile:
        raise MemoryError

    runtime = Runtime.open(dicom_bundle)
    arrived = Arrived("sha256:0", "image", Path("image"))
    (decoding,) = runtime.verdicts(arrived, decode.decoder(exhausted), "never")
    monkeypatch.setattr(type(runtime.bundle), "run", exhausted)
    scoring = runtime.score(usual_image(1))
    assert decoding.verdict.reasons == scoring.reasons == ["does not fit into memory"]


def test_the_sandbox_gives_the_very_verdicts_of_this_process(tmp_path: Path, dicom_bundle: Path) -> None:
    path = tmp_path / "frames.npy"
    np.save(path, np.stack([usual_image(3000), np.full((32, 32), 9, np.uint16), usual_image(3001)]))
    runtime, sandbox = Runtime.open(dicom_bundle), Sandbox()
    arrived = Arrived("sha256:0", "frames", path)
    by_process = [list(runtime.verdicts(arrived, way, "always")) for way in (decode.decoder(), sandbox.decode)]
    sandbox.close()
    here, apart = by_process
    assert [one.verdict.outcome == "refused" for one in here] == [False, True, False]
    for one, other in zip(here, apart, strict=True):
        assert replace(one.verdict, created="") == replace(other.verdict, created="")
