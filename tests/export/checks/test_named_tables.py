"""What is looked for in a bundle is found by its name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fisherlens.edge.bundle import Bundle, bundle_of, open_bundle
from fisherlens.edge.bundle.golden import read_golden
from fisherlens.edge.bundle.manifest import CALIBRATION_KEY, Calibration, Check
from fisherlens.export.checks import CHECKS
from fisherlens.export.checks.judgement import MEANINGS
from fisherlens.export.checks.p_value import count_name, table_name
from fisherlens.export.checks.recalibrate import recalibrated
from fisherlens.export.errors import CalibrationError
from fisherlens.export.network.forward import member_weights
from fisherlens.models.form import BUNDLE as FORM
from fisherlens.models.mammography import BUNDLE as MAMMOGRAPHY

from ...networks import ensemble


def calibration(bundle: Bundle) -> dict[str, list[float]]:
    text = bundle.session.get_modelmeta().custom_metadata_map[CALIBRATION_KEY]
    return msgspec.json.decode(text, type=Calibration).statistics


def test_each_check_has_its_table_and_its_count_in_the_file(ensemble_bundle: Path) -> None:
    initializers = {i.name: numpy_helper.to_array(i) for i in onnx.load(ensemble_bundle).graph.initializer}
    for check, statistics in calibration(open_bundle(ensemble_bundle)).items():
        np.testing.assert_array_equal(initializers[table_name(check)], np.array(statistics, np.float32))
        assert initializers[count_name(check)] == len(statistics) + 1


def test_equal_counts_of_two_checks_are_kept_apart(ensemble_bundle: Path) -> None:
    """Equal weights are stored once; what may be replaced by itself is not."""
    initializers = {i.name: numpy_helper.to_array(i) for i in onnx.load(ensemble_bundle).graph.initializer}
    counts = [initializers[count_name(check)] for check in calibration(open_bundle(ensemble_bundle))]
    assert len(counts) == 5
    assert counts[0] == counts[1]


def test_the_weights_of_each_member_are_the_networks_own(ensemble_bundle: Path) -> None:
    found = member_weights(onnx.load(ensemble_bundle))
    for weights, member in zip(found, ensemble(), strict=True):
        state = member.state_dict()
        assert {"features.0.weight", "features.2.bias", "head.bias"} <= weights.keys()
        for name in weights.keys() & state.keys():
            np.testing.assert_array_equal(weights[name].reshape(state[name].shape), state[name].numpy())


@pytest.mark.parametrize("path", [MAMMOGRAPHY, FORM])
def test_tables_without_names_are_found_as_well(path: Path) -> None:
    """The shipped bundles were made before tables had names: recalibrated with their own statistics they give the same,
    and with half of them p-values over these."""
    bundle = open_bundle(path)
    image, own = read_golden(bundle).image, {name: np.array(values) for name, values in calibration(bundle).items()}
    before = bundle.run(image, explain=False)
    same = bundle_of(path, recalibrated(path.read_bytes(), own, "9", "itself")).run(image, explain=False)
    assert all(np.array_equal(before[name], same[name]) for name in before)
    halves = {name: values[::2] for name, values in own.items()}
    half = bundle_of(path, recalibrated(path.read_bytes(), halves, "9", "half")).run(image, explain=False)
    for check, statistic, p in zip(bundle.manifest.checks, half["statistic"], half["p_value"], strict=True):
        table = halves[check.name].astype(np.float32)
        assert p == pytest.approx((1 + (table >= statistic).sum()) / (len(table) + 1))


def test_a_table_that_is_not_in_the_file_is_refused(ensemble_bundle: Path) -> None:
    model = onnx.load(ensemble_bundle)
    for initializer in model.graph.initializer:
        if initializer.name == table_name("activation_profile"):
            initializer.name = "usual.other"
    own = {name: np.array(values) for name, values in calibration(open_bundle(ensemble_bundle)).items()}
    with pytest.raises(CalibrationError, match=r"check activation_profile: no table 'usual.activation_profile'"):
        recalibrated(model.SerializeToString(), own, "9", "itself")


def test_what_a_check_means_travels_in_the_manifest(ensemble_bundle: Path) -> None:
    checks = open_bundle(ensemble_bundle).manifest.checks
    assert [check.meaning for check in checks] == [
        CHECKS[check.name].meaning if check.name in CHECKS else MEANINGS["cascade"][1] for check in checks
    ]
    assert [check.flags for check in checks] == [False, False, False, False, True]


def test_manifests_of_before_mean_what_the_device_used_to_say() -> None:
    plain = msgspec.json.decode(b'{"name": "fisher_trace", "alpha": 0.01, "calibration_size": 9}', type=Check)
    assert plain.flags
    assert plain.meaning == "Fisher information is larger than on nearly all usual images"
    shown = msgspec.json.decode(b'{"name": "mine", "alpha": 0.0, "calibration_size": 9}', type=Check)
    assert not shown.flags
    assert shown.meaning == "unusual"
