"""The description of all commands that `standing` lists and completes without loading them: compare it, or write it with --write."""

import json
import sys
from importlib.metadata import distribution
from pathlib import Path

import click

PATH = Path(__file__).parent.parent / "store" / "cli" / "commands.json"


def described(command):
    told = {"help": (command.help or "").partition("\n\n")[0], "params": [parameter(one) for one in command.params]}
    if isinstance(command, click.Group):
        told["commands"] = {name: described(one) for name, one in sorted(command.commands.items())}
    return told


def parameter(one):
    told = {"name": one.name, "type": "path" if isinstance(one.type, click.Path) else "text"}
    if isinstance(one.type, click.Choice):
        told["choices"] = [one.type.normalize_choice(choice, None) for choice in one.type.choices]
    if isinstance(one, click.Argument):
        return told | {"nargs": one.nargs}
    return told | {"opts": one.opts + one.secondary_opts, "is_flag": one.is_flag, "multiple": one.multiple, "help": one.help}


def registered():
    for entry in distribution("standing").entry_points.select(group="standing.commands"):
        yield from entry.load()


def module(command):
    inside = next(iter(command.commands.values())) if isinstance(command, click.Group) else command
    return (command.callback or inside.callback).__module__


def main():
    found = {one.name: {"module": module(one)} | described(one) for one in registered()}
    text = json.dumps(dict(sorted(found.items())), indent=1) + "\n"
    if "--write" in sys.argv:
        PATH.write_text(text, encoding="utf-8")
    elif not PATH.is_file() or PATH.read_text(encoding="utf-8") != text:
        sys.exit(f"{PATH.name} does not describe the commands; write it again: .venv/bin/python .ci/commands.py --write")


if __name__ == "__main__":
    main()
