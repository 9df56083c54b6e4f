"""Survivors: the mutants that no test noticed, compared with the list of those that change nothing."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

#: What mutmut says of a mutant that some test noticed. One that does not end was noticed.
NOTICED = ("killed", "timeout", "segfault", "caught by type check")
UNTRIED = "not checked"

#: A function, such as `handlers.rules.transitions.decide`, and a changed line of it.
Change = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one function."""

    name: str
    path: Path
    #: In mutmut's words.
    status: str

    @property
    def function(self) -> str:
        """The function as a reader writes it: `a.Scheme.sign` for `a.xǁSchemeǁsign__mutmut_2`."""
        module, _, mangled = self.name.rpartition("__mutmut_")[0].rpartition(".")
        return f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"

    @property
    def change(self) -> Change:
        return self.function, changed_line(get_diff_for_mutant(self.name, path=self.path))

    @property
    def survived(self) -> bool:
        return self.status not in (*NOTICED, UNTRIED)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is known of some mutants."""

    counts: Counter[str]
    #: Survivors that the list accepts.
    accepted: int
    #: Survivors that are in no list, by their names.
    unlisted: dict[str, Change]
    #: Entries of the list that have no survivor.
    idle: set[Change]

    @property
    def passes(self) -> bool:
        return not (self.unlisted or self.idle or self.counts[UNTRIED])

    def lines(self) -> Iterator[str]:
        for name, (_, line) in self.unlisted.items():
            yield f"survived: {name}\n    {line}"
        for function, line in sorted(self.idle):
            yield f"in the list without a survivor: {function}\n    {line}"
        counted = ", ".join(f"{count} {status}" for status, count in self.counts.most_common())
        yield f"{self.counts.total()} mutants: {counted}; of the survivors {self.accepted} accepted, {len(self.unlisted)} not"


def report(patterns: Sequence[str], listed: Collection[Change]) -> Report:
    """Return what is known of the mutants that patterns name, or of all. An entry is idle once all mutants of its function were tried."""
    every, asked = named(), named(patterns)
    survivors = {mutant.name: mutant.change for mutant in every if mutant.survived}
    found = {mutant.name: survivors[mutant.name] for mutant in asked if mutant.survived}
    unlisted = {name: change for name, change in found.items() if change not in listed}
    untried = {mutant.function for mutant in every if mutant.status == UNTRIED}
    return Report(
        counts=Counter(mutant.status for mutant in asked),
        accepted=len(found) - len(unlisted),
        unlisted=unlisted,
        idle={change for change in listed if change[0] not in untried} - set(survivors.values()),
    )


def named(patterns: Sequence[str] = ()) -> list[Mutant]:
    """Return the mutants that patterns name, or all that were made."""
    return [mutant for mutant in known() if not patterns or any(fnmatch(mutant.name, pattern) for pattern in patterns)]


def known() -> Iterator[Mutant]:
    """Yield every mutant that was made."""
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            yield Mutant(name=name, path=path, status=status_by_exit_code[code])


def changed_line(diff: str) -> str:
    """Return a mutant's line, or those that it leaves out. Unlike its number it stays when other lines of the function change."""
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    return " ".join(added) or "without " + " ".join(line[1:].strip() for line in lines if line.startswith("-"))


def accepted(file: Path) -> set[Change]:
    """Return the changes that a list accepts. Raises ValueError if an entry has no reason."""
    entries = tomllib.loads(file.read_text())["accepted"]
    if not all(entry["because"].strip() for entry in entries):
        raise ValueError("each entry has a reason")
    return {(entry["function"], line) for entry in entries for line in entry["lines"]}
