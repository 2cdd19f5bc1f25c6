"""What a rig needs beside devices: a key that its service trusts, a token, bundles. Made once for each run."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from filelock import FileLock
from packaging.version import Version

from fisherlens.edge.bundle.manifest import METADATA_KEY, Manifest
from fisherlens.edge.bundle.signature import sign
from fisherlens.edge.storage import write_whole

from ..bundles import ensemble

KEY = "signing.pem"


@contextmanager
def occupied(work: Path, bundle: Path, camera: bool, seconds: float = 0.0) -> Iterator[None]:
    """Be the one rig that works in a folder, which only this user reads, with what it needs in it: signing.pem and
    rig.pem, token, main.onnx (`bundle`), other.onnx (the same, a version later), each with its signature, and with
    `camera` camera.onnx.

    Raises filelock.Timeout where another rig still works there after `seconds`; OSError.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(work / "lock", timeout=seconds):
        _make(work, bundle, camera)
        yield


def _make(work: Path, bundle: Path, camera: bool) -> None:
    if (work / "archive").is_dir():
        shutil.rmtree(work / "archive")  # an earlier run's
    key = private_key()
    write_whole(work / KEY, key)
    public = load_pem_private_key(key, None).public_key()
    write_whole(work / "rig.pem", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    write_whole(work / "token", secrets.token_hex(16).encode())
    write_whole(work / "main.onnx", bundle.read_bytes())
    write_whole(work / "other.onnx", a_version_later(bundle.read_bytes(), 1))
    for name in ("main.onnx", "other.onnx"):
        sign(work / name, work / KEY)
    if camera and not (work / "camera.onnx").exists():
        folder = work / "camera"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        ensemble(folder).rename(work / "camera.onnx")


def private_key() -> bytes:
    """A new key to sign with, PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def a_version_later(bundle: bytes, number: int) -> bytes:
    """The same bundle under a later version: what it measures is the same, and verdicts tell which one it was."""
    model = onnx.load_from_string(bundle)
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    manifest = msgspec.json.decode(entry.value, type=Manifest)
    later = f"{Version(manifest.version).public}.post{number}"
    entry.value = msgspec.json.encode(msgspec.structs.replace(manifest, version=later)).decode()
    return model.SerializeToString()
