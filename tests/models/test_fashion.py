"""The Fashion-MNIST networks' data."""

from __future__ import annotations

from pathlib import Path

import pytest

from fisherlens.models.fashion import dataset


def test_a_missing_data_set_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dataset, "FOLDER", tmp_path)
    with pytest.raises(dataset.DatasetMissing, match="apt-get install dataset-fashion-mnist"):
        dataset.evaluation()
