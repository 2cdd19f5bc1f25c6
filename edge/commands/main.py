"""The one command, `fisherlens`: its sub-commands are found by entry point and loaded when called."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points, version

import click

GROUP = "fisherlens.commands"


class Commands(click.Group):
    """A group whose commands are the installed entry points: no room must know the others, and
    `fisherlens score` loads nothing of export."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(point.name for point in entry_points(group=GROUP))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = list(entry_points(group=GROUP, name=name))
        return _loaded(found[0]) if found else None


def _loaded(point: EntryPoint) -> click.Command:
    try:
        command: click.Command = point.load()
    except ModuleNotFoundError as error:
        extra = point.extras[0] if point.extras else point.name
        return _unavailable(point.name, str(error.name), extra)
    return command


def _unavailable(name: str, module: str, extra: str) -> click.Command:
    @click.command(
        name,
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
        short_help=f"(needs pip install 'fisherlens[{extra}]')",
    )
    @click.argument("arguments", nargs=-1)
    def unavailable(arguments: tuple[str, ...]) -> None:
        raise click.UsageError(f"{name} needs {module}, which is not installed: pip install 'fisherlens[{extra}]'")

    return unavailable


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("fisherlens"), prog_name="fisherlens")
def main() -> None:
    """Value, uncertainty, Fisher checks and a compact map, from one ONNX file."""


if __name__ == "__main__":
    main()
