"""The installer, run in a network namespace that has no interfaces."""

from __future__ import annotations

import errno
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

from fisherlens.deploy.offline import packing
from fisherlens.deploy.offline.__main__ import main
from fisherlens.deploy.offline.install import HASHES
from fisherlens.deploy.offline.packing import pack, seal

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
def installer(keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installer, unpacked."""
    out = tmp_path_factory.mktemp("installer") / "fisherlens.tar"
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


def test_an_installer_that_cannot_be_written_whole_leaves_what_was_there(
    keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_a_part(packed: tarfile.TarFile, *_: object) -> None:
        assert packed.fileobj is not None
        packed.fileobj.write(b"a part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packing, "_fill", lambda folder, project, pythons: (folder / "file").touch())
    monkeypatch.setattr(tarfile.TarFile, "add", add_a_part)
    out = tmp_path / "fisherlens.tar"
    out.write_bytes(b"the former")
    with pytest.raises(OSError, match="No space left"):
        pack(REPOSITORY, keys[0], ("3.11",), out)
    assert [*tmp_path.iterdir()] == [out]
    assert out.read_bytes() == b"the former"


def offline(*command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run where there is no network, not even to this machine."""
    isolated = ["unshare", "--net", *map(str, command)]
    result = subprocess.run(isolated, capture_output=True, text=True, check=False)
    if "unshare failed" in result.stderr:
        pytest.skip("this machine does not allow network namespaces (root may make them)")
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def changed(installer: Path, folder: Path, key: Path, without: str = "") -> Path:
    """Another installer: one more line in a text, or a wheel less, signed again."""
    other = folder / "other"
    shutil.copytree(installer, other, copy_function=os.link)
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


def test_it_holds_every_wheel_for_three_platforms_with_licences_and_bill_of_materials(installer: Path) -> None:
    platforms = {path.name for path in (installer / "wheels").iterdir() if path.is_dir()}
    assert platforms == {"linux-x86_64", "linux-aarch64", "windows-amd64"}
    names = {
        platform: {wheel.name.split("-")[0] for wheel in (installer / "wheels" / platform).glob("*.whl")}
        for platform in platforms
    }
    for platform in platforms:
        assert {"onnxruntime", "numpy", "pydicom", "pynetdicom", "highdicom", "cryptography"} <= names[platform]
    wheels = {path.name for path in (installer / "wheels").rglob("*.whl")}
    bill = (installer / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    components = json.loads(bill)["components"]
    own = json.loads(bill)["metadata"]["component"]
    assert {component["bom-ref"] for component in (*components, own)} == wheels
    licences = (installer / "LICENCES.md").read_text()
    for name in {component["name"] for component in components}:
        assert f"| {name} |" in licences
    assert "not stated" not in licences


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where versions are installed."""
    return tmp_path_factory.mktemp("prefix") / "opt"


def test_it_installs_without_a_network_upgrades_and_rolls_back(
    installer: Path, keys: tuple[Path, Path], prefix: Path, tmp_path: Path, ensemble_bundle: Path
) -> None:
    image = tmp_path / "image.npy"
    np.save(image, usual_image(1))
    first = install(installer, prefix, keys[1])
    answer = offline(sys.executable, installer / "install.py", "--prefix", prefix, "rollback", check=False)
    assert "there is no earlier version" in answer.stderr
    scored = offline(prefix / "current" / "bin" / "fisherlens", "score", ensemble_bundle, image, "--json")
    assert json.loads(scored.stdout)["outcome"] != "refused"
    serving = offline(prefix / "current" / "bin" / "fisherlens", "serve", "--help")
    assert "CONFIGURATION" in serving.stdout, "the service's libraries are there"
    assert install(installer, prefix, keys[1]) == first, "a second time changes nothing"
    second = install(changed(installer, tmp_path, keys[0]), prefix, keys[1])
    assert second != first
    offline(sys.executable, installer / "install.py", "--prefix", prefix, "rollback")
    assert (prefix / "current").resolve() == first
    offline(sys.executable, installer / "install.py", "--prefix", prefix, "rollback")
    assert (prefix / "current").resolve() == second
    offline(prefix / "current" / "bin" / "fisherlens", "--version")


def install(installer: Path, prefix: Path, key: Path) -> Path:
    """Install, and say which version is in use then."""
    offline(sys.executable, installer / "install.py", "--prefix", prefix, "install", "--key", key)
    return (prefix / "current").resolve()


def test_what_is_not_whole_or_not_signed_is_refused_and_changes_nothing(
    installer: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    prefix = tmp_path / "opt"
    stranger = tmp_path / "stranger.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "s.pem"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "s.pem", "-pubout", "-out", stranger], check=True)
    assert "is not signed by" in refused(installer, prefix, stranger)
    assert "is not signed by" in refused(installer, prefix, tmp_path / "none.pem")
    broken = tmp_path / "broken"
    shutil.copytree(installer, broken, copy_function=os.link)
    (broken / "wheels" / "extra.whl").write_bytes(b"")
    assert "extra.whl is missing in the installer, or does not belong to it" in refused(broken, prefix, keys[1])
    (broken / "wheels" / "extra.whl").unlink()
    (wheel,) = (broken / "wheels").glob("fisherlens-*.whl")
    shutil.copy(wheel, tmp_path / "copy.whl")
    wheel.unlink()
    assert "is missing in the installer" in refused(broken, prefix, keys[1])
    with zipfile.ZipFile(tmp_path / "copy.whl", "a") as changing:
        changing.writestr("fisherlens/edge/more.py", "")
    shutil.copy(tmp_path / "copy.whl", wheel)
    assert "its hash is not the stated one" in refused(broken, prefix, keys[1])
    assert not prefix.exists()


def test_an_upgrade_that_fails_leaves_the_version_in_use(
    installer: Path, keys: tuple[Path, Path], prefix: Path, tmp_path: Path
) -> None:
    first = install(installer, prefix, keys[1])
    before = sorted((prefix / "versions").iterdir())
    lacking = changed(installer, tmp_path, keys[0], without="pydicom-*.whl")
    assert "pydicom" in refused(lacking, prefix, keys[1])
    assert (prefix / "current").resolve() == first
    assert sorted((prefix / "versions").iterdir()) == before


def refused(installer: Path, prefix: Path, key: Path) -> str:
    """Install in vain, and say why."""
    command = [sys.executable, installer / "install.py", "--prefix", prefix, "install", "--key", key]
    result = offline(*command, check=False)
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    return result.stderr
