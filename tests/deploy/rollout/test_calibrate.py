"""A site's own tables: p-values that count over them, and nothing else that changes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from fisherlens.deploy.rollout.calibrate import change_of, next_version, threshold
from fisherlens.deploy.rollout.rescore import RescoreRequest, rescore
from fisherlens.deploy.rollout.sources.files import FolderTree
from fisherlens.edge import Runtime
from fisherlens.edge.bundle.golden import self_test
from fisherlens.edge.bundle.manifest import Check
from fisherlens.edge.service.store.bundle_register import BundleRegister
from fisherlens.edge.service.store.database import Database
from fisherlens.export.checks.p_value import count_name, table_name

from ...bundles import SIDE, run, usual_image

SITE = 230
CHECKS = ("image_texture", "activation_profile", "uncertainty", "ensemble_disagreement", "cascade")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's usual images: noisier than those of the calibration."""
    folder = tmp_path_factory.mktemp("site")
    for number in range(SITE):
        rng = np.random.default_rng(number)
        noisy = usual_image(5000 + number) + rng.normal(0, 100, (SIDE, SIDE))
        np.save(folder / f"{number}.npy", np.clip(noisy, 0, 4095).astype(np.uint16))
    return folder


def test_p_values_count_over_the_sites_images_and_nothing_else_changes(
    site: Path, ensemble_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    rescore(RescoreRequest(FolderTree(site), ensemble_bundle, tmp_path / "records", workers=2))
    said = run("calibrate", ensemble_bundle, "--from", tmp_path / "records", "-o", tmp_path / "site.onnx",
               "--unusual", tmp_path / "records", "--source", "our site")  # fmt: skip
    assert "version 1+site.1" in said
    assert "sign it" in said
    old, new = Runtime.open(ensemble_bundle), Runtime.open(tmp_path / "site.onnx")
    before = [old.score(np.load(site / f"{number}.npy")) for number in range(SITE)]
    after = [new.score(np.load(site / f"{number}.npy")) for number in range(SITE)]
    for i in range(len(before[0].checks)):
        statistics = np.array([np.float32(verdict.checks[i].statistic) for verdict in before])
        expected = [(1 + int((statistics >= t).sum())) / (SITE + 1) for t in statistics]
        assert [verdict.checks[i].p_value for verdict in after] == pytest.approx(expected)
    assert [verdict.results for verdict in after] == [verdict.results for verdict in before]
    assert sum(verdict.outcome == "flagged" for verdict in after) <= 0.02 * SITE
    assert sum(verdict.outcome == "flagged" for verdict in before) > sum(v.outcome == "flagged" for v in after)
    _only_tables_differ(ensemble_bundle, tmp_path / "site.onnx")
    manifest = new.bundle.manifest
    assert manifest.recalibration is not None
    assert (manifest.recalibration.of, manifest.recalibration.images) == (old.bundle.digest, SITE)
    assert manifest.recalibration.source == "our site"
    difference, tolerance = self_test(new.bundle)
    assert difference <= tolerance
    assert new.bundle.ranges.keys() == old.bundle.ranges.keys() == {"cascade"}
    np.testing.assert_array_equal(new.bundle.ranges["cascade"], old.bundle.ranges["cascade"])
    register = BundleRegister(Database(tmp_path))
    register.admit(old.bundle.manifest, old.bundle.digest)
    register.admit(manifest, new.bundle.digest)  # a later version


def _only_tables_differ(before: Path, after: Path) -> None:
    """Nodes are the same, and so are all weights: tables and their n + 1 are found by their names."""
    old, new = onnx.load(before).graph, onnx.load(after).graph
    assert list(old.node) == list(new.node)
    news = {entry.name: entry for entry in new.initializer}
    replaced = [entry.name for entry in old.initializer if entry != news[entry.name]]
    assert set(replaced) == {f"usual.{check}{part}" for check in CHECKS for part in ("", ".count")}
    for check in CHECKS:
        assert numpy_helper.to_array(news[table_name(check)]).shape == (SITE,)
        assert numpy_helper.to_array(news[count_name(check)]) == SITE + 1


def test_wrong_input_is_refused_in_words(
    site: Path, ensemble_bundle: Path, classifier_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(20):
        (few / f"{number}.npy").symlink_to(site / f"{number}.npy")
    rescore(RescoreRequest(FolderTree(few), ensemble_bundle, tmp_path / "records", workers=1))
    out = tmp_path / "site.onnx"
    said = run("calibrate", ensemble_bundle, "--from", few, "-o", out, expect=2)
    assert "20 usual images, expected at least 99 for" in said
    said = run("calibrate", classifier_bundle, "--from", tmp_path / "records", "-o", out, expect=2)
    assert "statistics of one bundle say nothing of another's" in said
    assert not out.exists()


@settings(deadline=None)
@given(
    table=st.lists(st.floats(0, 1), min_size=1, max_size=60), alpha=st.floats(0.005, 0.5),
    statistic=st.floats(0, 1),
)  # fmt: skip
def test_beyond_the_threshold_is_where_the_p_value_flags(table: list[float], alpha: float, statistic: float) -> None:
    values = np.array(table)
    p_value = (1 + (values >= statistic).sum()) / (len(values) + 1)
    if abs(p_value - alpha) > 1e-6:
        assert (p_value <= alpha) == (statistic > threshold(values, alpha))


def test_a_change_tells_alarms_and_power() -> None:
    former, now = np.arange(199.0), np.arange(399.0) + 100
    unusual = np.array([0.0, 250.0, 600.0, 600.0])
    change = change_of(Check(name="c", alpha=0.01, calibration_size=199), former, now, unusual)
    assert change.thresholds == (197.0, 495.0)
    assert change.power == (0.75, 0.5)
    assert change.former == 1 / 200
    draws = np.sort(np.random.default_rng(0).random((20_000, 399)), axis=1)
    realised = 1 - draws[:, -4]  # uniform: what lies beyond the fourth largest
    assert change.alarms == pytest.approx(np.quantile(realised, [0.025, 0.975]).tolist(), rel=0.05)
    assert math.isinf(threshold(np.arange(5.0), 0.01))


def test_versions_count_on() -> None:
    assert next_version("2.1.0") == "2.1.0+site.1"
    assert next_version("2.1.0+site.1") == "2.1.0+site.2"
