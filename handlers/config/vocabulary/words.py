"""Words: what a vendor's tag or label says about an approval. The owner may configure further ones (`IDNGO_WORDS`, `IDENFY_WORDS`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from store.system.environment import Environment
from store.text.names import is_name
from store.text.states import HITS


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
    """Return the meaning of a word that names a hit."""
    return Meaning(Kind.HIT, name)


def named_hits(words: Iterable[str], table: Words) -> set[str]:
    """Return the hits that words name."""
    return {meaning.hit for word in words if (meaning := table.get(word)) and meaning.hit}


def of_kind(words: Iterable[str], table: Words, kind: Kind) -> tuple[str, ...]:
    """Return those of the words that are of a kind, in their order, each once."""
    return tuple(dict.fromkeys(word for word in words if word in table and table[word].kind == kind))


def parse(text: str) -> tuple[str, Meaning]:
    """Return a configured word (`word:plain`, `word:failed`, `word:hit=<kind>`) and its meaning. Raises ValueError."""
    word, _, said = (part.strip() for part in text.rpartition(":"))
    if not word or not is_name(word):
        raise ValueError("is no word:meaning")
    kind, _, named = said.partition("=")
    if said in (Kind.PLAIN, Kind.FAILED):
        return word, Meaning(Kind(said))
    if kind == Kind.HIT and named in HITS:
        return word, hit(named)
    raise ValueError(f"a word means plain, failed or hit=<one of {', '.join(HITS)}>")


def further(environment: Environment, name: str, documented: Words) -> dict[str, Meaning]:
    """Return the words that a setting adds to a vendor's table. The environment collects what is wrong with them."""
    given = environment.each(name, parse)
    if wrong := _complaint(given, documented):
        environment.wrong(name, wrong)
    return dict(given)


def _complaint(further: Iterable[tuple[str, Meaning]], documented: Words) -> str | None:
    """Return what is wrong with configured words; None if nothing is. A hit and a failed check cannot be softened, and a word has one
    meaning."""
    given = set(further)
    words = [word for word, _ in given]
    if len(set(words)) < len(words):
        return "gives a word two meanings"
    softened = sorted(word for word, meaning in given if word in documented and _softens(documented[word], meaning))
    if softened:
        return f"gives another meaning to {', '.join(softened)}, which the vendor documents as a hit or a failed check"
    return None


def _softens(documented: Meaning, meaning: Meaning) -> bool:
    if documented.kind == Kind.HIT:
        return meaning != documented
    return documented.kind == Kind.FAILED and meaning.kind == Kind.PLAIN
