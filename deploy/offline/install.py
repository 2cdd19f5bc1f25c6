#!/usr/bin/env python3
"""Install Fisherlens from the installer that this file lies in, without a network.

    python3 install.py install --key institute.pem
    python3 install.py rollback

Each version has a folder of its own under PREFIX/versions, and `PREFIX/current` is a link to the one in use. It
is switched in one step, once a version is complete and runs, so that a failed installation changes nothing.
Configuration, bundles and the store lie elsewhere and are not touched. Needs Python alone, and OpenSSL to
check the signature.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HASHES, MANIFEST = "SHA256SUMS", "manifest.json"
HERE = Path(__file__).resolve().parent
COMPLETE = "complete"


class Refused(Exception):
    """Refusal to install, with the reason; nothing was changed."""


def main() -> None:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "install":
            install(arguments.prefix, arguments.key)
        else:
            rollback(arguments.prefix)
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}; nothing was changed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", type=Path, default=Path("/opt/fisherlens"), help="default: /opt/fisherlens")
    commands = parser.add_subparsers(dest="command", required=True)
    installing = commands.add_parser("install", help="install the version in here and switch to it")
    installing.add_argument("--key", type=Path, required=True, help="public key (PEM) of whoever made the installer")
    commands.add_parser("rollback", help="switch back to the version that was in use before")
    return parser


def install(prefix: Path, key: Path) -> None:
    """Check the installer, install its version beside what is there, try it, and switch."""
    verify(HERE, key)
    manifest = json.loads((HERE / MANIFEST).read_text())
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running not in manifest["pythons"]:
        raise Refused(f"this is Python {running}, the installer has wheels for {', '.join(manifest['pythons'])}")
    digest = hashlib.sha256((HERE / HASHES).read_bytes()).hexdigest()
    version = prefix / "versions" / f"{manifest['version']}-{digest[:12]}"
    if not (version / COMPLETE).exists():
        _remove_incomplete(version.parent)
        print(f"installing into {version} ...", flush=True)
        try:
            _install_into(version, manifest)
        except BaseException:
            shutil.rmtree(version, ignore_errors=True)
            raise
    if _target(prefix / "current") == version:
        print(f"{version} is in use already")
        return
    if (prefix / "current").is_symlink():
        _switch(prefix / "previous", _target(prefix / "current"))
    _switch(prefix / "current", version)
    print(f"{prefix / 'current'} is {version.name} now; restart the service: systemctl restart fisherlens")


def rollback(prefix: Path) -> None:
    """Exchange `current` and `previous`."""
    before, now = _target(prefix / "previous"), _target(prefix / "current")
    if before is None or now is None or not (before / COMPLETE).exists():
        raise Refused(f"there is no earlier version in {prefix}")
    _switch(prefix / "current", before)
    _switch(prefix / "previous", now)
    print(f"{prefix / 'current'} is {before.name} now; restart the service: systemctl restart fisherlens")


def verify(folder: Path, key: Path) -> None:
    """Check that the hashes are signed by `key` and every file is as they say, with none beside. Raises Refused."""
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin", "-in", HASHES]
    try:
        checked = subprocess.run(
            [*command, "-sigfile", f"{HASHES}.sig"], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Refused("openssl is not installed, which checks the signature") from error
    if checked.returncode != 0:
        raise Refused(f"the installer is not signed by {key}: {(checked.stdout + checked.stderr).strip()}")
    lines = (folder / HASHES).read_text().splitlines()
    stated = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    present -= {HASHES, f"{HASHES}.sig"}
    if wrong := sorted(present ^ set(stated)):
        raise Refused(f"{wrong[0]} is missing in the installer, or does not belong to it")
    for name, digest in stated.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise Refused(f"{name} is damaged or was changed: its hash is not the stated one")


def _install_into(version: Path, manifest: dict[str, str]) -> None:
    wheels = HERE / "wheels"
    venv.create(version, with_pip=True)
    binaries = version / ("Scripts" if os.name == "nt" else "bin")
    requirement = f"fisherlens[{manifest['extras']}]=={manifest['version']}"
    links = ["--find-links", str(wheels), "--find-links", str(wheels / _platform())]
    _run(binaries / "python", "-m", "pip", "install", "--quiet", "--no-index", *links, requirement)
    _run(binaries / "fisherlens", "--version")
    (version / COMPLETE).touch()


def _platform() -> str:
    machine = {"x86_64": "x86_64", "amd64": "amd64", "aarch64": "aarch64", "arm64": "aarch64"}
    name = f"{platform.system().lower()}-{machine.get(platform.machine().lower(), platform.machine())}"
    if not (HERE / "wheels" / name).is_dir():
        raise Refused(f"the installer has no wheels for {name}")
    return name


def _run(*command: str | Path) -> None:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Refused(f"{Path(command[0]).name} failed: {result.stderr.strip()[-500:]}")


def _remove_incomplete(versions: Path) -> None:
    """Remove what an installation left that was cut off."""
    for folder in versions.glob("*"):
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder)


def _target(link: Path) -> Path | None:
    return link.parent / os.readlink(link) if link.is_symlink() else None


def _switch(link: Path, target: Path | None) -> None:
    """Point a link elsewhere in one step."""
    assert target is not None
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    os.replace(beside, link)


if __name__ == "__main__":
    main()
