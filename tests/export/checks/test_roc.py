"""The area under the ROC curve, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fisherlens.export.checks.roc import area_under_roc

STATISTICS = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@given(usual=STATISTICS, unusual=STATISTICS)
def test_the_area_is_scikit_learns_with_ties_too(usual: list[int], unusual: list[int]) -> None:
    labels = np.repeat([0, 1], [len(usual), len(unusual)])
    assert area_under_roc(np.array(usual), np.array(unusual)) == pytest.approx(roc_auc_score(labels, usual + unusual))
