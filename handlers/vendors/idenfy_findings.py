"""Findings in an iDenfy result beside its word: its reasons, the hits that they name, and why an approval would be in doubt.

Reasons and hits are collected from every verdict, in whatever shape they come. An approval is proved: `BODY` and `ANSWER` are the
documented shapes of every part that reports a screening or a tag. What does not fit them is not understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from handlers.config.vocabulary.words import Kind, Words, named_hits, of_kind
from handlers.vendors.base import names
from handlers.vendors.strict_schema import Check, a_flag, a_list, a_text, a_word, an_object, anything, one_of, says_something
from store.text.names import as_name
from store.text.states import HITS

#: Words of a monitoring. What neither raises nor clears an alert changes nothing, unknown words among it.
RAISING = ("ALERT", "FLAGS_FOUND", "TRUE_POSITIVE")
CLEARING = ("ACTIVE", "ACCEPTED", "NO_FLAGS", "FALSE_POSITIVE")

#: The lists of tags. The third is the form of 2021.
TAG_LISTS = ("fraudTags", "mismatchTags", "suspicionReasons")


class Screenings(msgspec.Struct):
    """The screenings that a body may have. The vendor's table of 2021 spells the second and the fourth in lower case."""

    AML: Any = None
    aml: Any = None
    LID: Any = None
    lid: Any = None
    amlCheck: Any = None
    CRIMINAL_CHECK: Any = None


class Findings(NamedTuple):
    """The findings of one result."""

    #: The tags that say why: fraud, then mismatches, each once.
    reasons: tuple[str, ...]
    hits: tuple[str, ...]
    #: Tags and screenings that gave no result.
    failed: tuple[str, ...]
    #: Tags in doubt, and finds that are no hit on the person.
    doubtful: tuple[str, ...]


def findings(status: dict[str, Any], screenings: Screenings, words: Words) -> Findings:
    """Return the findings of a result, by its tags and by its screenings."""
    reasons = tuple(dict.fromkeys([*names(status.get("fraudTags")), *names(status.get("mismatchTags"))]))
    tags = (*reasons, *names(status.get("suspicionReasons")))
    named = named_hits(tags, words) | {hit for tag in tags if tag not in words and (hit := _guessed(tag))} | _screening_hits(screenings)
    lost = ("LID",) if any(_suspected(entry) for entry in _entries(screenings.LID, screenings.lid)) else ()
    return Findings(
        reasons=reasons,
        hits=tuple(hit for hit in HITS if hit in named),
        failed=(*of_kind(tags, words, Kind.FAILED), *_failed_screenings(screenings)),
        doubtful=(*of_kind(tags, words, Kind.DOUBTFUL), *lost),
    )


def overall_of(check: object) -> str | None:
    """Return the word of a monitoring's or a screening's block."""
    return as_name(check.get("overallStatus")) if isinstance(check, dict) else None


def _guessed(tag: str) -> str | None:
    """Return the hit that an undocumented tag seems to name. It is shown, although the tag is not understood."""
    return "blacklist" if "BLACKLIST" in tag else "pep" if tag.startswith("PEP") and not tag.endswith("_FAILED") else None


def _screening_hits(found: Screenings) -> set[str]:
    """Return the hits that the body's screenings name, whatever its tags say."""
    hits = set()
    if overall_of(found.amlCheck) in RAISING or any(_suspected(entry) for entry in _entries(found.AML, found.aml)):
        hits.add("aml")
    if any(_suspected(entry) for entry in _entries(found.CRIMINAL_CHECK)):
        hits.add("criminal")
    return hits


def _failed_screenings(found: Screenings) -> tuple[str, ...]:
    """Return the screenings in the body that were tried without a result."""
    blocks = {"AML": (found.AML, found.aml), "LID": (found.LID, found.lid), "CRIMINAL_CHECK": (found.CRIMINAL_CHECK,)}
    return tuple(screening for screening, block in blocks.items() if any(_unsuccessful(entry) for entry in _entries(*block)))


def _entries(*blocks: object) -> list[dict[str, Any]]:
    """Return the `status` objects of the screenings' entries. An entry may stand alone, without its list."""
    listed = [entry for block in blocks for entry in (block if isinstance(block, list) else [block])]
    entries = [entry for entry in listed if isinstance(entry, dict)]
    return [entry["status"] for entry in entries if isinstance(entry.get("status"), dict)]


def _suspected(status: dict[str, Any]) -> bool:
    return status.get("overallStatus") == "SUSPECTED" or status.get("serviceSuspected") is True


def _unsuccessful(status: dict[str, Any]) -> bool:
    return status.get("checkSuccessful") is False and status.get("serviceUsed") is not False


# what is understood: AmlResult, LidResult, CriminalResult, AmlCheckV3 of the vendor's OpenAPI description ----------

_FOUND: dict[str, Check] = {
    "serviceSuspected": a_flag,
    "serviceUsed": a_flag,
    "serviceFound": a_flag,
    "checkSuccessful": a_flag,
    "overallStatus": one_of("SUSPECTED", "NOT_SUSPECTED"),
}
_ENTRY = an_object(
    {"status": an_object(_FOUND, only=True)}, once=("serviceName", "serviceGroupType", "uid", "errorMessage", "data"), elsewhere=_FOUND
)


def _screening(value: object, place: str, words: Words) -> Iterator[str]:
    """The schema of one entry of a screening. An entry with data and without a status is not understood."""
    yield from _ENTRY(value, place, words)
    if isinstance(value, dict) and not says_something(value.get("status")) and says_something(value.get("data")):
        yield f"{place}.status"


_MATCHES = a_list(an_object({}))
_AML_CHECK = an_object(
    {
        "id": anything,
        "overallStatus": one_of("NOT_CHECKED", "NO_FLAGS", "FALSE_POSITIVE", "TRUE_POSITIVE", "FLAGS_FOUND"),
        "statusSetBy": anything,
        "statusSetAt": anything,
        "adverseMedia": _MATCHES,
        "amlCheck": _MATCHES,
    },
    only=True,
)


def _aml_check(value: object, place: str, words: Words) -> Iterator[str]:
    """The schema of the screening of version 3. Matches without a word for them are not understood."""
    yield from _AML_CHECK(value, place, words)
    matched = isinstance(value, dict) and any(says_something(value.get(matches)) for matches in ("adverseMedia", "amlCheck"))
    if matched and overall_of(value) is None:
        yield f"{place}.overallStatus"


_SCREENINGS: dict[str, Check] = {
    "AML": a_list(_screening),
    "LID": a_list(_screening),
    "CRIMINAL_CHECK": a_list(_screening),
    "amlCheck": _aml_check,
}
_TAGS: dict[str, Check] = dict.fromkeys(TAG_LISTS, a_list(a_word))
_CHECKS = ("autoDocument", "autoFace", "manualDocument", "manualFace", "additionalSteps")

#: An identification's result.
BODY = an_object(
    {"status": an_object({"overall": a_text} | _TAGS, once=_CHECKS, elsewhere=(*_SCREENINGS, *_FOUND)), "final": anything} | _SCREENINGS,
    once=("scanRef", "clientId"),
    elsewhere=(*_TAGS, *_FOUND),
)

#: What the read API answers: the same, without the object around it.
ANSWER = an_object({"status": a_text, "final": anything} | _TAGS | _SCREENINGS, once=("scanRef", "clientId", *_CHECKS), elsewhere=_FOUND)
