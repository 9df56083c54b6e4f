"""Words: what a vendor's tag or label says about an approval. The owner may configure further ones (`IDNGO_WORDS`, `IDENFY_WORDS`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from store.states import HITS


class Kind(StrEnum):
    """What a word does to an approval that names it."""

    #: It names a hit on the person: the approval is for a person to look at.
    HIT = "hit"
    #: The check itself failed, and gave no result: likewise.
    FAILED = "failed"
    #: It is documented, and may mean a find: likewise. docs/rules.md argues each.
    DOUBTFUL = "doubtful"
    #: It leaves an approval as it is.
    PLAIN = "plain"


class Meaning(NamedTuple):
    kind: Kind
    #: Which of `HITS` it names.
    hit: str | None = None


Words = Mapping[str, Meaning]

PLAIN, FAILED, DOUBTFUL = Meaning(Kind.PLAIN), Meaning(Kind.FAILED), Meaning(Kind.DOUBTFUL)


def hit(name: str) -> Meaning:
    """The meaning of a word that names a hit."""
    return Meaning(Kind.HIT, name)


def named_hits(words: Iterable[str], table: Words) -> set[str]:
    """Return the hits that words name."""
    return {meaning.hit for word in words if (meaning := table.get(word)) and meaning.hit}


def of_kind(words: Iterable[str], table: Words, kind: Kind) -> tuple[str, ...]:
    """Return those of the words that are of a kind, in their order, each once."""
    return tuple(dict.fromkeys(word for word in words if word in table and table[word].kind == kind))


def parse(text: str) -> tuple[str, Meaning]:
    """Return a configured word (`word:plain`, `word:failed`, `word:hit=<kind>`) and its meaning. Raises ValueError."""
    word, _, said = text.rpartition(":")
    if not word.strip():
        raise ValueError("is no word:meaning")
    kind, _, named = said.partition("=")
    if said in (Kind.PLAIN, Kind.FAILED):
        return word.strip(), Meaning(Kind(said))
    if kind == Kind.HIT and named in HITS:
        return word.strip(), hit(named)
    raise ValueError(f"a word means plain, failed or hit=<one of {', '.join(HITS)}>")
