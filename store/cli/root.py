"""The command `standing`: loads the module of the command that is run. A broken package loses only its own commands.

`commands.json` describes every command, so that listing and completing them loads none. `.ci/commands.py` writes it.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from store.cli.terminal import broken_pipe
from store.system import interrupts

#: What can be completed as a file is a path; of other values only those that are listed.
_TYPES = {"path": click.Path()}


class Commands(click.Group):
    """The commands that `commands.json` describes. Whoever reads what they print may stop at any line."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with broken_pipe.accepted():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with broken_pipe.accepted():
                return super().invoke(ctx)
        except broken_pipe.NotDone as error:
            raise click.ClickException(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_described())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; while the shell completes, only its description."""
        if cmd_name not in _described():
            return None
        return _sketch(cmd_name, _described()[cmd_name]) if ctx.resilient_parsing else _load(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sketches = click.Group(commands={name: _sketch(name, told) for name, told in _described().items()})
        sketches.format_commands(ctx, formatter)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="standing")
def standing() -> None:
    """The current status of every applicant, in step with everything the vendors ever said."""
    from store.system import processes

    # Standard output is for what was asked for; what happens on the way goes to the logs, and only if it matters.
    processes.begin(least=logging.WARNING)


@cache
def _described() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((Path(__file__).parent / "commands.json").read_text(encoding="utf-8"))
    return described


@cache
def _load(name: str) -> click.Command:
    """Return a command of its own module, which runs only while what is kept may be read. Raises ClickException if the module cannot be
    loaded."""
    from store.cli import blocked

    try:
        commands: list[click.Command] = import_module(_described()[name]["module"]).commands
    except Exception as error:  # Whatever is broken in one package, the others' commands go on working.
        from store.system.logs import describe_error

        raise click.ClickException(f"The command {name} is missing: it cannot be loaded ({describe_error(error)}).") from error
    found = next(command for command in commands if command.name == name)
    blocked.guard(found, name)
    return found


def _sketch(name: str, told: dict[str, Any]) -> click.Command:
    """Return a command that has everything but what it does."""
    params = [_parameter(one) for one in told["params"]]
    if "commands" not in told:
        return click.Command(name, params=params, help=told["help"])
    return click.Group(name, {part: _sketch(part, one) for part, one in told["commands"].items()}, params=params, help=told["help"])


def _parameter(told: dict[str, Any]) -> click.Parameter:
    kind = click.Choice(told["choices"]) if "choices" in told else _TYPES.get(told["type"])
    if "opts" not in told:
        return click.Argument([told["name"]], type=kind, nargs=told["nargs"])
    return click.Option([told["name"], *told["opts"]], type=kind, is_flag=told["is_flag"], multiple=told["multiple"], help=told["help"])


def main() -> None:
    """Run the command line. Exit status 2 for wrong usage or configuration."""
    _show_any_letter()
    interrupts.install()
    try:
        standing()
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        click.echo(told[0], err=True)
        sys.exit(told[1])


def _show_any_letter() -> None:
    """Write UTF-8 into files and pipes, and in a terminal of another encoding the codes of the letters that it lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _told(error: Exception) -> tuple[str, int] | None:
    """Return what an error that a command may end with tells an operator, and the exit status; None for any other."""
    from store import database
    from store.database.sessions import cause
    from store.system.environment import Misconfigured

    if isinstance(error, Misconfigured):
        return str(error), 2
    return (f"The database cannot be used: {cause(error)}", 1) if database.is_away(error) else None
