"""What an iDenfy result found beside its word: tags and screenings, the hits that they name, and what makes an approval doubtful."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from handlers.vendors.base import name, names
from store.states import HITS

#: Words of a monitoring. What neither raises nor clears an alert changes nothing, unknown words among it.
RAISING = ("ALERT", "FLAGS_FOUND", "TRUE_POSITIVE")
CLEARING = ("ACTIVE", "ACCEPTED", "NO_FLAGS", "FALSE_POSITIVE")

#: The tags that name a hit. `…_IN_BLACKLIST` was put on the blacklist, `…_BLACKLISTED` matched it.
TAG_HITS = {
    "FACE_IN_BLACKLIST": "blacklist",
    "DOC_FACE_IN_BLACKLIST": "blacklist",
    "DATA_IN_BLACKLIST": "blacklist",
    "FACE_BLACKLISTED": "blacklist",
    "DOC_FACE_BLACKLISTED": "blacklist",
    "DATA_BLACKLISTED": "blacklist",
    "SANCTIONS_SUSPECTION": "sanctions",
    "CRIMINAL_SUSPECTED": "criminal",
    "AML_SUSPECTION": "aml",
}


class Screenings(msgspec.Struct):
    """The screenings that a body may have."""

    AML: Any = None
    aml: Any = None
    amlCheck: Any = None
    LID: Any = None
    CRIMINAL_CHECK: Any = None


class Findings(NamedTuple):
    """What was found."""

    #: The tags that say why: fraud, then mismatches, each once.
    reasons: tuple[str, ...]
    hits: tuple[str, ...]
    #: Checks that failed, lists that nobody can read, finds that are no hit on the person: with any of them an approval is none.
    doubts: tuple[str, ...]


def findings(status: dict[str, Any], screenings: Screenings) -> Findings:
    """What a result found, by its tags and by its screenings."""
    reasons = tuple(dict.fromkeys([*names(status.get("fraudTags")), *names(status.get("mismatchTags"))]))
    tags = (*reasons, *names(status.get("suspicionReasons")))
    named = {_hit(tag) for tag in tags} | _screening_hits(screenings)
    return Findings(
        reasons=reasons,
        hits=tuple(hit for hit in HITS if hit in named),
        doubts=(*filter(_is_doubt, tags), *_unreadable_tags(status), *_failed_screenings(screenings)),
    )


def overall_of(check: object) -> str | None:
    """The word of a monitoring's or a screening's block."""
    return name(check.get("overallStatus")) if isinstance(check, dict) else None


def _hit(tag: str) -> str | None:
    """What a tag names; a tag that is not in the table is known by what its name contains."""
    return TAG_HITS.get(tag) or ("blacklist" if "BLACKLIST" in tag else "pep" if tag.startswith("PEP") and not _is_failure(tag) else None)


def _is_doubt(tag: str) -> bool:
    """Whether a tag says that a check failed or found something that is no hit on the person (LID: lost and stolen documents)."""
    return _is_failure(tag) or (tag not in TAG_HITS and tag.endswith(("_SUSPICION", "_SUSPECTION", "_SUSPECTED")))


def _is_failure(tag: str) -> bool:
    return tag.endswith("_FAILED")


def _unreadable_tags(status: dict[str, Any]) -> tuple[str, ...]:
    """Lists of tags that are there and are no lists: nobody knows what they name."""
    lists = ("fraudTags", "mismatchTags", "suspicionReasons")
    return tuple(f"{tags} unreadable" for tags in lists if status.get(tags) is not None and not isinstance(status[tags], list))


def _screening_hits(found: Screenings) -> set[str]:
    """Hits that the body's screenings name, whatever its tags say."""
    hits = set()
    if overall_of(found.amlCheck) in RAISING or any(_suspected(entry) for entry in _entries(found.AML, found.aml)):
        hits.add("aml")
    if any(_suspected(entry) for entry in _entries(found.CRIMINAL_CHECK)):
        hits.add("criminal")
    return hits


def _failed_screenings(found: Screenings) -> tuple[str, ...]:
    """Screenings in the body that were tried and gave no result, and finds of lost or stolen documents."""
    screenings = {"AML": _entries(found.AML, found.aml), "LID": _entries(found.LID), "CRIMINAL_CHECK": _entries(found.CRIMINAL_CHECK)}
    failed = [screening for screening, entries in screenings.items() if any(_unsuccessful(entry) for entry in entries)]
    if "LID" not in failed and any(_suspected(entry) for entry in screenings["LID"]):
        failed.append("LID")
    return tuple(failed)


def _entries(*blocks: object) -> list[dict[str, Any]]:
    """The `status` objects of screenings' entries."""
    entries = [entry for block in blocks if isinstance(block, list) for entry in block if isinstance(entry, dict)]
    return [entry["status"] for entry in entries if isinstance(entry.get("status"), dict)]


def _suspected(status: dict[str, Any]) -> bool:
    return status.get("overallStatus") == "SUSPECTED" or status.get("serviceSuspected") is True


def _unsuccessful(status: dict[str, Any]) -> bool:
    return status.get("checkSuccessful") is False and status.get("serviceUsed") is not False
