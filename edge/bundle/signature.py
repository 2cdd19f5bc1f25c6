"""Signatures, by which somebody vouches for a bundle: a detached Ed25519 signature (RFC 8032) over the whole file.

`bundle.onnx.sig` holds the 64 bytes of the signature and nothing else, and keys are PEM files, so that
OpenSSL signs and verifies as well:

    openssl genpkey -algorithm ed25519 -out signing.pem
    openssl pkey -in signing.pem -pubout -out trusted/institute.pem
    openssl pkeyutl -verify -pubin -inkey trusted/institute.pem -rawin -in bundle.onnx -sigfile bundle.onnx.sig
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ..errors import BundleRefused, EdgeError
from ..storage import write_whole

_BYTES = 64


class KeyRefused(EdgeError):
    """A file is no key that can sign or verify."""


def signature_path(bundle: Path) -> Path:
    """Give the path of a bundle's signature."""
    return bundle.with_name(bundle.name + ".sig")


def sign(bundle: Path, key: Path, password: bytes | None = None) -> Path:
    """Sign a bundle with a private key, beside it; returns the signature's path.

    Raises KeyRefused for a file that is no Ed25519 private key, OSError as reading and writing does.
    """
    private = _private(key, password)
    path = signature_path(bundle)
    write_whole(path, private.sign(bundle.read_bytes()))
    return path


@dataclass(frozen=True)
class TrustedKeys:
    """Public keys by their file's name, of which one must have signed a bundle."""

    keys: dict[str, Ed25519PublicKey]

    @classmethod
    def open(cls, folder: Path) -> TrustedKeys:
        """Read all keys of a folder, one in each .pem file.

        Raises KeyRefused for a folder that is missing or has none, and for a file that holds no Ed25519
        public key: one that is not understood must not be passed over in silence.
        """
        if not folder.is_dir():
            raise KeyRefused(f"trusted keys {folder}: no such folder")
        keys = {path.name: _public(path) for path in sorted(folder.glob("*.pem"))}
        if not keys:
            raise KeyRefused(f"trusted keys {folder}: no .pem file, expected Ed25519 public keys")
        return cls(keys)

    def verify(self, bundle: Path, data: bytes) -> str:
        """Give the name of the key by which `data`, the bytes of `bundle`, are signed.

        Raises BundleRefused for a signature that is missing, damaged, or of no key in here.
        """
        path = signature_path(bundle)
        try:
            signature = path.read_bytes()
        except OSError as error:
            raise BundleRefused(
                f"bundle {bundle}: signature {path.name}: {error.strerror}; sign it by fisherlens sign"
            ) from error
        if len(signature) != _BYTES:
            raise BundleRefused(f"bundle {bundle}: signature {path.name} has {len(signature)} bytes, expected {_BYTES}")
        for name, key in self.keys.items():
            try:
                key.verify(signature, data)
            except InvalidSignature:
                continue
            return name
        raise BundleRefused(
            f"bundle {bundle}: signed by none of the trusted keys ({', '.join(self.keys)}), or changed since it was"
        )


def _private(path: Path, password: bytes | None) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyRefused(f"key {path}: {_said(error)}; expected an Ed25519 private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused(f"key {path}: {type(key).__name__}, expected an Ed25519 private key")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused(f"trusted key {path}: {_said(error)}; expected an Ed25519 public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused(f"trusted key {path}: {type(key).__name__}, expected an Ed25519 public key")
    return key


def _said(error: Exception) -> str:
    return " ".join((error.strerror if isinstance(error, OSError) and error.strerror else str(error)).split())
