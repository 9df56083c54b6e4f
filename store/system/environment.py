"""Reading settings, one by one; all problems are reported in one error.

A setting comes from the environment (`NAME`), from a file that the environment names (`NAME_FILE`), or from what `./dev up` generated
in `VAR_DIR/secrets/NAME`, in this order.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: What the names of settings end with that this process reads as though they were not set.
_withheld: set[str] = set()


class Misconfigured(Exception):
    """Settings are missing or wrong. The message names each, and never its value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("These settings are missing or wrong:\n" + "\n".join(f"  {problem}" for problem in problems))


class Environment:
    """Reads settings one by one, and collects problems until `check()` reports all of them."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self.problems: list[str] = []
        self.var_dir = self._var_dir()

    def wrong(self, name: str, what: str) -> None:
        problem = f"{name} {what}"
        if problem not in self.problems:
            self.problems.append(problem)

    def check(self) -> None:
        """Raise Misconfigured if anything read so far was wrong."""
        if self.problems:
            raise Misconfigured(self.problems)

    def text(self, name: str, default: str = "") -> str:
        """Return a single value, stripped."""
        return (self._given(name) or self._from_file(name) or default).strip()

    def items(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list: separated by commas in the environment, one entry a line in a file."""
        given = self._given(name)
        entries = given.split(",") if given else self._from_file(name).splitlines()
        found = tuple(entry.strip() for entry in entries if entry.strip())
        if not found and self.source(name) and not any(problem.startswith(name) for problem in self.problems):
            self.wrong(name, "is given and names nothing")
        return found or default

    def number(self, name: str, default: int, *, least: int = 1, most: int = 10**9) -> int:
        """Return a whole number within bounds."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            self.wrong(name, f"must be a whole number from {least} to {most}")
            return default
        return int(text)

    def yes_or_no(self, name: str) -> bool:
        """Return whether a setting says yes; without it, no."""
        given = self.text(name, "no")
        if given not in ("yes", "no"):
            self.wrong(name, "must be yes or no")
        return given == "yes"

    def each(self, name: str, parse: Callable[[str], T], entries: tuple[str, ...] | None = None) -> tuple[T, ...]:
        """Return a list whose entries `parse` turned into values. The ValueError of `parse` says what is wrong with an entry."""
        values = []
        for position, entry in enumerate(self.items(name) if entries is None else entries, start=1):
            try:
                values.append(parse(entry))
            except ValueError as error:
                self.wrong(name, f"(entry {position}) {error}")
        return tuple(values)

    def source(self, name: str) -> str | None:
        """Return where a setting comes from, in words; None if it is not set."""
        if _is_withheld(name):
            return None
        if self._given(name):
            return "environment"
        if self._variables.get(f"{name}_FILE"):
            return f"file named by {name}_FILE"
        made = self.generated(name)
        return f"file {made}" if made else None

    def generated(self, name: str) -> Path | None:
        """Return the file in `VAR_DIR/secrets` that a setting comes from; None if it comes from elsewhere, or is not set."""
        given = self._given(name) or self._variables.get(f"{name}_FILE")
        return self._made(name) if not given and self._made(name).is_file() else None

    def _var_dir(self) -> Path:
        named = self._variables.get("VAR_DIR_FILE")
        given = self._read("VAR_DIR_FILE", Path(named)).strip() if named else self._given("VAR_DIR")
        return Path(given or "var").absolute()

    def _given(self, name: str) -> str:
        if _is_withheld(name):
            return ""
        value = self._variables.get(name, "")
        if value and self._variables.get(f"{name}_FILE"):
            self.wrong(name, f"and {name}_FILE are both set; set one")
        return value

    def _from_file(self, name: str) -> str:
        if _is_withheld(name):
            return ""
        named = self._variables.get(f"{name}_FILE")
        if not named and not self._made(name).is_file():
            return ""
        return self._read(f"{name}_FILE" if named else name, Path(named) if named else self._made(name))

    def _read(self, name: str, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            self.wrong(name, f"names a file that cannot be read ({type(error).__name__})")
            return ""

    def _made(self, name: str) -> Path:
        return secrets_dir(self.var_dir) / name


def withhold(ending: str) -> None:
    """Have this process, and those that it starts, never read the settings whose names end so, wherever they are kept."""
    _withheld.add(ending)
    for name in os.environ.keys() - without(os.environ, ending).keys():
        del os.environ[name]


def without(variables: Mapping[str, str], ending: str) -> dict[str, str]:
    """Return the variables of a process that is not to read the settings whose names end so."""
    return {name: value for name, value in variables.items() if not name.removesuffix("_FILE").endswith(ending)}


def _is_withheld(name: str) -> bool:
    return name.endswith(tuple(_withheld))


def others_may_read(folder: Path) -> bool:
    """Return whether a folder exists that other accounts of this machine may enter or list."""
    return folder.is_dir() and bool(folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def secrets_dir(var_dir: Path) -> Path:
    """Return the folder where `./dev up` keeps generated secrets, tokens and keys."""
    return var_dir / "secrets"
