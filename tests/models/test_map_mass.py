"""Where a map lies on the phantom, by maps of which it is known."""

from __future__ import annotations

import numpy as np
import pytest

from fisherlens.models.mammography.map_mass import PARTS, parts
from fisherlens.models.mammography.population import FIELD, usual
from fisherlens.models.study.map_shares import shares

TAKEN = usual(0, "map mass test")


def test_an_even_map_has_the_share_of_the_area_on_each_part() -> None:
    where = parts(TAKEN)
    found = shares(np.full((1, 1, FIELD, FIELD), -3.0, np.float32), where)
    np.testing.assert_allclose(found, [where[part].mean() for part in PARTS], rtol=1e-6)


def test_a_map_that_is_the_part_lies_on_it_whole() -> None:
    where = parts(TAKEN)
    for i, part in enumerate(PARTS):
        assert shares(where[part][None, None].astype(np.float32), where)[i] == pytest.approx(1.0)


def test_parts_lie_where_the_image_is_dark() -> None:
    """The lines are 14 % darker than the cells, and discs that are seen are darker than what is beside them."""
    where, field = parts(TAKEN), TAKEN.field().astype(float)
    elsewhere = ~np.any(list(where.values()), axis=0)
    for part in ("discs seen", "grid lines"):
        assert field[where[part]].mean() < 0.99 * field[elsewhere].mean(), part
