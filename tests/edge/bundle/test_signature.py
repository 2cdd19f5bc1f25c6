"""Signatures against OpenSSL, and everything that must not be trusted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fisherlens.edge.bundle.signature import KeyRefused, TrustedKeys, sign, signature_path
from fisherlens.edge.errors import BundleRefused

from ...bundles import run


def openssl(*arguments: object) -> str:
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True)
    return result.stdout


def make_key(folder: Path, name: str, algorithm: str = "ed25519") -> tuple[Path, Path]:
    """Private and public key, by OpenSSL."""
    folder.mkdir(exist_ok=True)
    private, public = folder.parent / f"{name}.private.pem", folder / f"{name}.pem"
    openssl("genpkey", "-algorithm", algorithm, "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


@pytest.fixture
def bundle(ensemble_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(ensemble_bundle, tmp_path / "bundle.onnx"))


def test_openssl_verifies_what_sign_signed(bundle: Path, tmp_path: Path) -> None:
    private, public = make_key(tmp_path / "trusted", "institute")
    run("sign", bundle, "--key", private)
    said = openssl(
        "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", bundle, "-sigfile", signature_path(bundle)
    )
    assert "Verified Successfully" in said


def test_verify_trusts_what_openssl_signed_and_names_the_key(bundle: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "trusted", "another")
    private, _ = make_key(tmp_path / "trusted", "institute")
    openssl("pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", bundle, "-out", signature_path(bundle))
    assert run("verify", bundle, "--keys", tmp_path / "trusted") == f"{bundle}: signed by institute.pem\n"


def test_a_bundle_that_was_changed_is_not_trusted(bundle: Path, tmp_path: Path) -> None:
    private, _ = make_key(tmp_path / "trusted", "institute")
    sign(bundle, private)
    data = bytearray(bundle.read_bytes())
    trusted = TrustedKeys.open(tmp_path / "trusted")
    assert trusted.verify(bundle, bytes(data)) == "institute.pem"
    for position in (0, len(data) // 2, len(data) - 1):
        changed = data.copy()
        changed[position] ^= 1
        with pytest.raises(BundleRefused, match="signed by none of the trusted keys"):
            trusted.verify(bundle, bytes(changed))


def test_strangers_and_damaged_signatures_are_not_trusted(bundle: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "trusted", "institute")
    stranger, _ = make_key(tmp_path / "strangers", "stranger")
    keys = tmp_path / "trusted"
    assert "signature bundle.onnx.sig" in run("verify", bundle, "--keys", keys, expect=1)
    sign(bundle, stranger)
    assert "signed by none of the trusted keys" in run("verify", bundle, "--keys", keys, expect=1)
    signature_path(bundle).write_bytes(b"short")
    assert "has 5 bytes, expected 64" in run("verify", bundle, "--keys", keys, expect=1)


def test_keys_of_other_kinds_are_refused_in_words(bundle: Path, tmp_path: Path) -> None:
    private, _ = make_key(tmp_path / "rsa", "rsa", "RSA")
    with pytest.raises(KeyRefused, match="RSAPublicKey, expected an Ed25519 public key"):
        TrustedKeys.open(tmp_path / "rsa")
    assert "RSAPrivateKey, expected" in run("sign", bundle, "--key", private, expect=2)
    assert "No such file" in run("sign", bundle, "--key", tmp_path / "none.pem", expect=2)
    (tmp_path / "odd").mkdir()
    assert "no .pem file" in run("verify", bundle, "--keys", tmp_path / "odd", expect=2)
    (tmp_path / "odd" / "key.pem").write_text("not a key")
    assert "expected an Ed25519 public key" in run("verify", bundle, "--keys", tmp_path / "odd", expect=2)
    assert "no such folder" in run("verify", bundle, "--keys", tmp_path / "nowhere", expect=2)
    assert not signature_path(bundle).exists()


def test_only_bundles_are_signed(tmp_path: Path) -> None:
    private, _ = make_key(tmp_path / "trusted", "institute")
    (tmp_path / "text.onnx").write_text("no model")
    assert "no ONNX model" in run("sign", tmp_path / "text.onnx", "--key", private, expect=2)


def test_a_key_with_a_password_signs_when_it_is_given(bundle: Path, tmp_path: Path) -> None:
    private, _ = make_key(tmp_path / "trusted", "institute")
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", private, "-aes256", "-passout", "pass:secret", "-out", locked)
    with pytest.raises(KeyRefused, match=r"[Pp]assword"):
        sign(bundle, locked)
    sign(bundle, locked, b"secret")
    assert TrustedKeys.open(tmp_path / "trusted").verify(bundle, bundle.read_bytes()) == "institute.pem"
