"""Simulated images as DICOM, judged by a validator that is not ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "image.dcm"
    write_dicom(path, np.arange(48, dtype=np.uint16).reshape(6, 8), Exposure(air_kerma=80.0), "test")
    return path


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed (Debian: dicom3tools)")
def test_the_validator_finds_no_error(written: Path) -> None:
    result = subprocess.run(["dciodvfy", written], capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    assert "MammographyImageForProcessing" in said
    assert "Error" not in said, said


def test_headers_say_what_the_detector_stored(written: Path) -> None:
    dataset = pydicom.dcmread(written)
    assert dataset.Modality == "MG"
    assert dataset.PresentationIntentType == "FOR PROCESSING"
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation) == (16, 14, 13, 0)
    assert (dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign) == ("LIN", 1)
    assert dataset.ImagerPixelSpacing == [0.1, 0.1]
    np.testing.assert_array_equal(dataset.pixel_array.ravel(), np.arange(48))
