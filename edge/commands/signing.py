"""`fisherlens sign` and `fisherlens verify`: who vouches for a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from ..bundle import read_bundle
from ..bundle.signature import KeyRefused, TrustedKeys
from ..bundle.signature import sign as write_signature
from ..errors import BundleRefused, EdgeError

EXIT_UNTRUSTED = 1


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), required=True, help="Ed25519 private key (PEM).")
@click.option("--ask-password", is_flag=True, help="Ask for the password of the key.")
def sign(bundle: Path, key: Path, ask_password: bool) -> None:
    """Sign BUNDLE: writes BUNDLE.sig beside it.

    A key is made by: openssl genpkey -algorithm ed25519 -out signing.pem
    """
    password = click.prompt("password", hide_input=True, err=True).encode() if ask_password else None
    try:
        read_bundle(bundle)
        click.echo(write_signature(bundle, key, password))
    except EdgeError as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--keys", type=click.Path(path_type=Path), required=True, help="Folder of trusted public keys (.pem).")
@click.pass_context
def verify(context: click.Context, bundle: Path, keys: Path) -> None:
    """Say by which trusted key BUNDLE is signed. Exit code: 0 trusted, 1 not, 2 wrong usage."""
    try:
        trusted = TrustedKeys.open(keys)
    except KeyRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    try:
        click.echo(f"{bundle}: signed by {trusted.verify(bundle, read_bundle(bundle))}")
    except BundleRefused as refusal:
        click.echo(str(refusal), err=True)
        context.exit(EXIT_UNTRUSTED)
