"""The same bundle in another language: onnxruntime-web (WebAssembly) under Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.bundle.golden import read_golden
from fisherlens.edge.bundle.manifest import GOLDEN_KEY
from fisherlens.models.mammography import BUNDLE

WEB = Path(__file__).parents[1] / "web"


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script with what it needs from the npm registry."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node is not installed (Debian: nodejs, npm)")
    folder = tmp_path_factory.mktemp("web")
    for name in ("package.json", "verdict.mjs"):
        shutil.copy(WEB / name, folder)
    if subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder).returncode != 0:
        pytest.skip("onnxruntime-web cannot be downloaded from the npm registry")
    return folder


@pytest.fixture(params=["classifier", "ensemble", "mammography"])
def bundle(request: pytest.FixtureRequest) -> Path:
    """A classifier, an ensemble of regressors, and the shipped reference model."""
    if request.param == "mammography":
        return BUNDLE
    path: Path = request.getfixturevalue(f"{request.param}_bundle")
    return path


def test_a_bundle_gives_the_same_verdict_in_javascript(web: Path, bundle: Path) -> None:
    opened = open_bundle(bundle)
    golden = opened.session.get_modelmeta().custom_metadata_map[GOLDEN_KEY]
    script = subprocess.run(["node", "verdict.mjs", bundle], cwd=web, input=golden, capture_output=True, text=True)
    assert script.returncode == 0, script.stderr
    theirs = json.loads(script.stdout)
    ours = opened.run(read_golden(opened).image, explain=True)
    assert theirs.keys() == ours.keys()
    for name, expected in ours.items():
        given, expected = np.array(theirs[name], float), expected.astype(float).ravel()
        if name == "flagged":
            np.testing.assert_array_equal(given, expected)
        elif name == "statistic":  # sums in another order, of which the profile whitens differences of 1e-3 to 1
            np.testing.assert_allclose(signed_root(given), signed_root(expected), rtol=1e-3, atol=0.02)
        elif name == "deviation":  # in standard deviations of usual images, of which many are near zero
            np.testing.assert_allclose(given, expected, rtol=1e-3, atol=0.01)
        elif name == "p_value":  # the density of the statistic's root is below one
            np.testing.assert_allclose(given, expected, atol=0.02)
        else:
            codes = 1.0 if name == "map" else 0.0  # a value between two codes may round to either
            np.testing.assert_allclose(given, expected, rtol=1e-3, atol=codes)


def signed_root(statistics: np.ndarray) -> np.ndarray:
    """The root of the magnitude, with the sign: a cascade's statistic of an image that is not doubtful is negative."""
    return np.sign(statistics) * np.sqrt(np.abs(statistics))
