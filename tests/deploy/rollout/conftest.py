"""An archive of usual images, and Ray on this machine, started once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import ray

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ...bundles import usual_image

IMAGES = 24


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IMAGES usual images in folders, one of them twice under other names; beside them a file that is no image, one of
    another modality's, and what is passed over."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(IMAGES):
        place = folder / f"device{number % 2}" / "a"
        place.mkdir(parents=True, exist_ok=True)
        write_dicom(place / f"{number:03}.dcm", (usual_image(1000 + number)).astype(np.uint16), Exposure(), "usual")
    shutil.copy(folder / "device0" / "a" / "000.dcm", folder / "again.dcm")
    (folder / "notes.dcm").write_text("no image")
    other = pydicom.dcmread(folder / "again.dcm")
    other.Modality = "CR"
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    other.SeriesInstanceUID = pydicom.uid.generate_uid()  # in an archive, modality is a series' attribute
    other.save_as(folder / "other.dcm")
    (folder / ".hidden").write_text("passed over")
    return folder


RECORDS = IMAGES + 2
"""Of the archive: the copy has none of its own, what is refused has one."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Ray in this process, so that each rescoring need not start it."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    yield
    ray.shutdown()
