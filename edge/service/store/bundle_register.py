"""The register of bundles that came into use: versions do not go back, and their inputs stay known."""

from __future__ import annotations

import msgspec
from packaging.version import InvalidVersion, Version

from ...bundle.manifest import Input, Manifest
from ...errors import BundleRefused
from .database import Database


class BundleRegister:
    """The latest version of each bundle by name, and the inputs of all by their digests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def admit(self, manifest: Manifest, digest: str) -> None:
        """Remember that a bundle came into use, and what its images must be like.

        Raises BundleRefused where a newer version, or another bundle of this version, has been in use before;
        StoreFailed.
        """
        name, version = manifest.name, manifest.version
        try:
            wanted = Version(version)
        except InvalidVersion as error:
            raise BundleRefused(f"bundle {name!r}: version {version!r}, expected one like 2.1.0 (PEP 440)") from error
        with self._database.transaction() as connection:
            row = connection.execute("SELECT version, digest FROM bundle WHERE name = ?", (name,)).fetchone()
            if row and (wanted < Version(row[0]) or (wanted == Version(row[0]) and digest != row[1])):
                raise BundleRefused(
                    f"bundle {name!r}: version {version}, {digest}; version {row[0]}, {row[1]}, has been in use here. "
                    "Versions do not go back: to return to an older bundle, publish it under a higher version"
                )
            connection.execute(
                "INSERT INTO bundle VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET version = ?2, digest = ?3",
                (name, version, digest),
            )
            connection.execute(
                "INSERT INTO input_of_bundle VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
                (digest, msgspec.json.encode(manifest.input)),
            )

    def input_of(self, bundle: str) -> Input:
        """Give what images a bundle takes, and how they are prepared for it. bundle: the digest of one that came into
        use."""
        rows = self._database.read("SELECT input FROM input_of_bundle WHERE digest = ?", (bundle,))
        return msgspec.json.decode(rows[0][0], type=Input)
