"""The library of the study's rivals."""

from __future__ import annotations

import pytest

from fisherlens.models.study.rivals.library import LibraryMissing, detectors

from ..conftest import install_alone

PACKAGES = ("pytorch-ood==0.4.0", "torchvision==0.28.0")


@pytest.fixture(scope="session")
def pytorch_ood(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install pytorch-ood, where it is not installed already."""
    try:
        detectors()
    except LibraryMissing:
        install_alone(tmp_path_factory.mktemp("pytorch_ood"), *PACKAGES)
