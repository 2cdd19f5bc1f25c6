"""The archive, installed by its own installer in a network namespace that has no interfaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from fisherlens.deploy.offline.__main__ import main, seal
from fisherlens.deploy.offline.install import HASHES

from ..bundles import usual_image

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private and a public key, made by OpenSSL."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: openssl)")
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "signing.pem", folder / "institute.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


@pytest.fixture(scope="module")
def archive(keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked."""
    out = tmp_path_factory.mktemp("archive") / "fisherlens.tar"
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--project", REPOSITORY, "--key", keys[0], "--python", running, "--out", out]
    result = CliRunner().invoke(main, [str(option) for option in options])
    if "pip download" in result.output:
        pytest.skip(f"wheels cannot be fetched: {result.output.strip()}")
    assert result.exit_code == 0, result.output
    with tarfile.open(out) as packed:
        packed.extractall(out.parent, filter="data")
    out.unlink()
    return out.parent / "fisherlens"


def offline(*command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run where there is no network, not even to this machine."""
    isolated = ["unshare", "--net", *map(str, command)]
    result = subprocess.run(isolated, capture_output=True, text=True, check=False)
    if "unshare failed" in result.stderr:
        pytest.skip("this machine does not allow network namespaces (root may make them)")
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def changed(archive: Path, folder: Path, key: Path, without: str = "") -> Path:
    """Another archive: one more line in a text, or a wheel less, signed again."""
    other = folder / "other"
    shutil.copytree(archive, other, copy_function=os.link)
    if without:
        for wheel in other.rglob(without):
            wheel.unlink()
    else:
        text = (other / "MESSAGES.md").read_text()
        (other / "MESSAGES.md").unlink()
        (other / "MESSAGES.md").write_text(text + "\n")
    for sealed in (HASHES, f"{HASHES}.sig"):
        (other / sealed).unlink()
    seal(other, key)
    return other


def test_it_holds_every_wheel_for_three_platforms_with_licences_and_bill_of_materials(archive: Path) -> None:
    platforms = {path.name for path in (archive / "wheels").iterdir() if path.is_dir()}
    assert platforms == {"linux-x86_64", "linux-aarch64", "windows-amd64"}
    names = {
        platform: {wheel.name.split("-")[0] for wheel in (archive / "wheels" / platform).glob("*.whl")}
        for platform in platforms
    }
    for platform in platforms:
        assert {"onnxruntime", "numpy", "pydicom", "pynetdicom", "highdicom", "cryptography"} <= names[platform]
    wheels = {path.name for path in (archive / "wheels").rglob("*.whl")}
    bill = (archive / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    components = json.loads(bill)["components"]
    own = json.loads(bill)["metadata"]["component"]
    assert {component["bom-ref"] for component in (*components, own)} == wheels
    licences = (archive / "LICENCES.md").read_text()
    for name in {component["name"] for component in components}:
        assert f"| {name} |" in licences
    assert "not stated" not in licences


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where versions are installed."""
    return tmp_path_factory.mktemp("prefix") / "opt"


def test_it_installs_without_a_network_upgrades_and_rolls_back(
    archive: Path, keys: tuple[Path, Path], prefix: Path, tmp_path: Path, ensemble_bundle: Path
) -> None:
    image = tmp_path / "image.npy"
    np.save(image, usual_image(1))
    first = install(archive, prefix, keys[1])
    answer = offline(sys.executable, archive / "install.py", "--prefix", prefix, "rollback", check=False)
    assert "there is no earlier version" in answer.stderr
    scored = offline(prefix / "current" / "bin" / "fisherlens", "score", ensemble_bundle, image, "--json")
    assert json.loads(scored.stdout)["outcome"] != "refused"
    serving = offline(prefix / "current" / "bin" / "fisherlens", "serve", "--help")
    assert "CONFIGURATION" in serving.stdout, "the service's libraries are there"
    assert install(archive, prefix, keys[1]) == first, "a second time changes nothing"
    second = install(changed(archive, tmp_path, keys[0]), prefix, keys[1])
    assert second != first
    offline(sys.executable, archive / "install.py", "--prefix", prefix, "rollback")
    assert (prefix / "current").resolve() == first
    offline(sys.executable, archive / "install.py", "--prefix", prefix, "rollback")
    assert (prefix / "current").resolve() == second
    offline(prefix / "current" / "bin" / "fisherlens", "--version")


def install(archive: Path, prefix: Path, key: Path) -> Path:
    """Install, and say which version is in use then."""
    offline(sys.executable, archive / "install.py", "--prefix", prefix, "install", "--key", key)
    return (prefix / "current").resolve()


def test_what_is_not_whole_or_not_signed_is_refused_and_changes_nothing(
    archive: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    prefix = tmp_path / "opt"
    stranger = tmp_path / "stranger.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "s.pem"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "s.pem", "-pubout", "-out", stranger], check=True)
    assert "is not signed by" in refused(archive, prefix, stranger)
    assert "is not signed by" in refused(archive, prefix, tmp_path / "none.pem")
    broken = tmp_path / "broken"
    shutil.copytree(archive, broken, copy_function=os.link)
    (broken / "wheels" / "extra.whl").write_bytes(b"")
    assert "extra.whl is missing in the archive, or does not belong to it" in refused(broken, prefix, keys[1])
    (broken / "wheels" / "extra.whl").unlink()
    (wheel,) = (broken / "wheels").glob("fisherlens-*.whl")
    shutil.copy(wheel, tmp_path / "copy.whl")
    wheel.unlink()
    assert "is missing in the archive" in refused(broken, prefix, keys[1])
    with zipfile.ZipFile(tmp_path / "copy.whl", "a") as changing:
        changing.writestr("fisherlens/edge/more.py", "")
    shutil.copy(tmp_path / "copy.whl", wheel)
    assert "its hash is not the stated one" in refused(broken, prefix, keys[1])
    assert not prefix.exists()


def test_an_upgrade_that_fails_leaves_the_version_in_use(
    archive: Path, keys: tuple[Path, Path], prefix: Path, tmp_path: Path
) -> None:
    first = install(archive, prefix, keys[1])
    before = sorted((prefix / "versions").iterdir())
    lacking = changed(archive, tmp_path, keys[0], without="pydicom-*.whl")
    assert "pydicom" in refused(lacking, prefix, keys[1])
    assert (prefix / "current").resolve() == first
    assert sorted((prefix / "versions").iterdir()) == before


def refused(archive: Path, prefix: Path, key: Path) -> str:
    """Install in vain, and say why."""
    command = [sys.executable, archive / "install.py", "--prefix", prefix, "install", "--key", key]
    result = offline(*command, check=False)
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    return result.stderr
