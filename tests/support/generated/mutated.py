"""Approving bodies in the vendors' documented shapes, mutated by a seeded generator that knows what it kept of the meaning.

What a mutator keeps clear may be null, empty or elsewhere in the body; what it spoils names a hit, contradicts itself, or is in a shape
or a word that no vendor documents. The words and shapes here are the vendors' own, copied by hand, and none of the code's tables.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

CHANCE = random.Random

#: What says nothing.
NOTHINGS: tuple[Any, ...] = (None, "", [], {})

#: Words that no vendor documents, and one beyond what can be kept.
UNKNOWN_WORDS = ("WATCHLIST_MATCH", "sanctions", "aml_suspection", "Clear", "a\0b", "X" * 300, "\ud800", " SANCTIONS", "PEP ", "0")

#: Values that are no list of words and no object of a screening.
STRANGE: tuple[Any, ...] = ("SANCTIONS", 7, True, {"label": "SANCTIONS"}, [{"label": "SANCTIONS"}], [["SANCTIONS"]], [7], [True], 1.5)


class Pairs(list[tuple[str, Any]]):
    """A JSON object by its pairs: a key may stand in it twice."""

    def put(self, key: str, value: Any) -> None:
        """Set a key, as the only one of its name."""
        self[:] = [pair for pair in self if pair[0] != key] + [(key, value)]

    def find(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)


def pairs(value: Any) -> Any:
    """The same value, its objects by their pairs."""
    if isinstance(value, Pairs):
        return value
    if isinstance(value, dict):
        return Pairs((key, pairs(part)) for key, part in value.items())
    return [pairs(part) for part in value] if isinstance(value, list) else value


def written(value: Any, chance: CHANCE) -> str:
    """A value as JSON, sometimes with spaces between its parts and with escaped letters in its keys."""
    space = chance.choice(("", "", " ", "\n  "))
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{space}{_key(key, chance)}{space}:{written(part, chance)}" for key, part in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(space + written(part, chance) for part in value) + "]"
    return json.dumps(value)


def _key(key: str, chance: CHANCE) -> str:
    if not key or chance.random() > 0.05:
        return json.dumps(key)
    place = chance.randrange(len(key))
    return json.dumps(key[:place])[:-1] + f"\\u{ord(key[place]):04x}" + json.dumps(key[place + 1 :])[1:]


def respelled(key: str, chance: CHANCE) -> str:
    """A key in another spelling: other case, or marks between its letters."""
    ways = (key.swapcase(), key.upper(), key.lower(), key.title(), f"{key[:2]}_{key[2:]}", f"{key}-", f" {key}", "-".join(key))
    return chance.choice([way for way in ways if way != key])


def anything(chance: CHANCE, depth: int = 0) -> Any:
    """Any shape at all."""
    if depth < 3 and chance.random() < 0.4:
        some = [anything(chance, depth + 1) for _ in range(chance.randrange(3))]
        return some if chance.random() < 0.5 else Pairs((f"part{number}", one) for number, one in enumerate(some))
    return chance.choice(["text", "SANCTIONS", "", None, True, False, 0, -7, 3.5, "a\0b", "é" * 300])


# iDenfy -------------------------------------------------------------------------------------------------------

SCAN = "328c6766-934e-11ed-bb9b-025ad99a18e7"


def entry(chance: CHANCE, *, suspected: bool = False) -> Any:
    """One entry of a screening of version 2; one that is not suspected was successful, or not used."""
    used = suspected or chance.random() < 0.8
    status: dict[str, Any] = {"serviceSuspected": suspected, "serviceUsed": used, "serviceFound": suspected or chance.random() < 0.5}
    status["checkSuccessful"] = used or chance.random() < 0.5
    status["overallStatus"] = "SUSPECTED" if suspected else "NOT_SUSPECTED"
    found = [{"name": "A", "suspicion": "SANCTION", "score": 90}] if suspected else []
    return pairs(
        {"status": status, "data": found, "serviceName": "PilotApiAmlV2", "serviceGroupType": "AML", "uid": "OHT8", "errorMessage": None}
    )


def idenfy(chance: CHANCE) -> Pairs:
    """An approving body: of the quick start, of 2021, or of today, of a person, a company's or a beneficiary."""
    status: dict[str, Any] = {"overall": "APPROVED"}
    body: dict[str, Any] = {"scanRef": SCAN, "clientId": "user-123", "final": True, "status": status, "data": {"docFirstName": "JOHN"}}
    if chance.random() < 0.2:
        return Pairs(pairs(body))
    status |= {"mismatchTags": [], "autoDocument": "DOC_VALIDATED", "autoFace": "FACE_MATCH", "manualFace": None}
    status |= chance.choice(({"suspicionReasons": []}, {"fraudTags": []}, {"fraudTags": [], "additionalSteps": None}))
    body |= {"platform": "MOBILE_APP", "companyId": chance.choice((None, "", "c-1")), "beneficiaryId": chance.choice((None, "b-1"))}
    body |= {"riskAssessment": {"riskScore": 90, "riskLevel": "HIGH"}, "fileUrls": {}}
    for block in ("AML", "LID", "CRIMINAL_CHECK"):
        if chance.random() < 0.6:
            body[block] = [entry(chance) for _ in range(chance.randrange(1, 3))]
    if chance.random() < 0.5:
        word = chance.choice(("NOT_CHECKED", "NO_FLAGS", "FALSE_POSITIVE"))
        matches = [{"name": "A NAMESAKE", "score": 71, "datasets": ["SAN_CURRENT"]}] if word == "FALSE_POSITIVE" else None
        body["amlCheck"] = chance.choice(({"overallStatus": None}, {"overallStatus": word, "amlCheck": matches, "statusSetBy": {"id": 1}}))
    return Pairs(pairs(body))


def idenfy_kept_clear(body: Pairs, chance: CHANCE) -> None:
    """Change a body of iDenfy, and keep it clear."""
    block = chance.choice(("AML", "LID", "CRIMINAL_CHECK", "amlCheck"))
    tags = chance.choice(("fraudTags", "mismatchTags", "suspicionReasons"))
    match chance.randrange(7):
        case 0:
            body.put(block, chance.choice(NOTHINGS))
        case 1:
            body.append((respelled(block, chance), chance.choice(NOTHINGS)))
        case 2:
            body.find("status").put(tags, chance.choice((*NOTHINGS, ["DUPLICATE_FACE"], [None], ["NAME", ""])))
        case 3:
            body.find("status").append((respelled(tags, chance), chance.choice(NOTHINGS)))
        case 4:
            body.put(f"further{chance.randrange(9)}", anything(chance))
        case 5:
            body.put("data", anything(chance))
        case 6:
            body.append(("final", True))


def idenfy_spoiled(body: Pairs, chance: CHANCE) -> None:
    """Change a body of iDenfy so that it says a hit, something unknown, or contradicts itself."""
    block = chance.choice(("AML", "LID", "CRIMINAL_CHECK"))
    chance.choice(IDENFY_SPOILERS)(body, block, chance)


def _suspected(body: Pairs, block: str, chance: CHANCE) -> None:
    found = entry(chance, suspected=True)
    shape = chance.choice(
        (lambda one: [one], lambda one: one, lambda one: [[one]], lambda one: json.dumps(one), lambda one: Pairs([("result", one)]))
    )
    body.put(chance.choice((block, block, respelled(block, chance))), shape(found) if chance.random() < 0.6 else [entry(chance), found])


def _strange_entry(body: Pairs, block: str, chance: CHANCE) -> None:
    found = entry(chance)
    status = found.find("status")
    key = chance.choice(("serviceSuspected", "serviceUsed", "serviceFound", "checkSuccessful", "overallStatus"))
    match chance.randrange(5):
        case 0:
            status.put(key, chance.choice(("true", 1, "SUSPECTED_MAYBE", ["SUSPECTED"], Pairs([("a", 1)]))))
        case 1:
            status.append((respelled(key, chance), chance.choice((True, "SUSPECTED"))))
        case 2:
            status.append((chance.choice(("interpol", "hit", "matchFound")), chance.choice((True, False, "yes", 0))))
        case 3:
            status.put("overallStatus", chance.choice(("FLAGS_FOUND", "suspected", *UNKNOWN_WORDS)))
        case 4:
            found.append((key, "SUSPECTED"))
    body.put(block, [found])


def _spoiled_aml_check(body: Pairs, block: str, chance: CHANCE) -> None:
    flagged = pairs({"overallStatus": chance.choice(("FLAGS_FOUND", "TRUE_POSITIVE", "flags_found", "POSSIBLE_MATCH", 7, ["NO_FLAGS"]))})
    matched = pairs({"overallStatus": None, "amlCheck": [{"name": "A NAMESAKE"}]})
    further = pairs({"overallStatus": "NO_FLAGS", chance.choice(("verdict", "OverallStatus", "sanctionsStatus")): "FLAGS_FOUND"})
    shaped = chance.choice(("FLAGS_FOUND", "NO_FLAGS", [flagged], [flagged, matched], 7, True))
    body.put(
        chance.choice(("amlCheck", "amlCheck", "AMLCheck", "aml_check", "AmlCheck")), chance.choice((flagged, matched, further, shaped))
    )


def _spoiled_tags(body: Pairs, block: str, chance: CHANCE) -> None:
    hits = ["FACE_BLACKLISTED", "AML_SUSPECTION", "SANCTIONS_SUSPECTION", "CRIMINAL_SUSPECTED", "AML_FAILED", "LID_SUSPECTION"]
    tags = chance.choice(("fraudTags", "mismatchTags", "suspicionReasons"))
    value = chance.choice((["NAME", chance.choice(hits)], [chance.choice(UNKNOWN_WORDS)], pairs(chance.choice(STRANGE))))
    name = chance.choice((tags, tags, respelled(tags, chance)))
    body.find("status").put(name, value)


def _twice(body: Pairs, block: str, chance: CHANCE) -> None:
    match chance.randrange(5):
        case 0:
            body.insert(0, ("final", chance.choice((False, None, 1, "true"))))
        case 1:
            body.find("status").insert(0, ("overall", chance.choice(("DENIED", "SUSPECTED", None))))
        case 2:
            body.insert(0, ("status", pairs({"overall": "DENIED", "fraudTags": ["AML_SUSPECTION"]})))
        case 3:
            body[:] = [
                (block, [entry(chance, suspected=True)]),
                *((key, part) for key, part in body if key != block),
                (block, [entry(chance)]),
            ]
        case 4:
            found = entry(chance)
            found.find("status").insert(0, ("serviceSuspected", True))
            body.put(block, [found])


IDENFY_SPOILERS: tuple[Callable[[Pairs, str, CHANCE], None], ...] = (_suspected, _strange_entry, _spoiled_aml_check, _spoiled_tags, _twice)


# IDnGO --------------------------------------------------------------------------------------------------------

WHO = "5f0c3a9be1d24c7d8e6a1b20"


def idngo(chance: CHANCE) -> Pairs:
    """An approving body of IDnGO: of a person or a company, sparse or full."""
    body: dict[str, Any] = {"applicantId": WHO, "type": chance.choice(("applicantReviewed", "applicantWorkflowCompleted"))}
    body |= {"reviewStatus": "completed", "reviewResult": {"reviewAnswer": "GREEN"}, "createdAtMs": "2026-05-04 09:30:00.250"}
    if chance.random() < 0.7:
        body |= {"applicantType": chance.choice(("individual", "company")), "levelName": "id", "clientId": "example", "sandboxMode": False}
    if chance.random() < 0.5:
        body["reviewResult"] |= {"rejectLabels": chance.choice((None, [])), "moderationComment": "ok", "buttonIds": ["a", "b"]}
    return Pairs(pairs(body))


def idngo_kept_clear(body: Pairs, chance: CHANCE) -> None:
    """Change a body of IDnGO, and keep it clear."""
    result, key = body.find("reviewResult"), chance.choice(("rejectLabels", "reviewRejectType"))
    match chance.randrange(5):
        case 0:
            result.put(key, chance.choice(NOTHINGS))
        case 1:
            chance.choice((result, body)).append((respelled(key, chance), chance.choice(NOTHINGS)))
        case 2:
            result.put(chance.choice(("moderationComment", "clientComment", "buttonIds", "further")), anything(chance))
        case 3:
            body.put(f"further{chance.randrange(9)}", anything(chance))
        case 4:
            body.append(("reviewStatus", "completed"))


def idngo_spoiled(body: Pairs, chance: CHANCE) -> None:
    """Change a body of IDnGO so that it says a hit, something unknown, or contradicts itself."""
    result = body.find("reviewResult")
    labels = chance.choice((["SANCTIONS"], ["LOW_QUALITY", "PEP"], ["CHECK_UNAVAILABLE"], ["FORGERY"], [chance.choice(UNKNOWN_WORDS)]))
    value = pairs(chance.choice((labels, chance.choice(STRANGE))))
    match chance.randrange(6):
        case 0:
            result.put("rejectLabels", value)
        case 1:
            result.append((respelled("rejectLabels", chance), value))
        case 2:
            body.append((chance.choice(("rejectLabels", "reject_labels", "reviewAnswer")), value))
        case 3:
            result.put("reviewRejectType", chance.choice(("FINAL", "RETRY", "new", 7, pairs({"type": "FINAL"}))))
        case 4:
            result.insert(0, ("reviewAnswer", chance.choice(("RED", "YELLOW", None, True))))
        case 5:
            key, other = chance.choice((("reviewStatus", "onHold"), ("applicantId", "f" * 24), ("type", "applicantReset")))
            body.insert(0, (key, other))
            body.insert(0, ("reviewResult", pairs({"reviewAnswer": "RED", "rejectLabels": ["SANCTIONS"]})))


# IFCGATE ------------------------------------------------------------------------------------------------------

CASE = "case_71d0c2"


def ifcgate(chance: CHANCE) -> Pairs:
    """The one body that IFCGATE documents."""
    body = {"event": "case.review.completed", "case_id": CASE, "status": "approved", "workflow": "onboarding-default"}
    return Pairs(pairs(body | {"processed_at": "2026-05-04T09:30:00Z"}))


def ifcgate_kept_clear(body: Pairs, chance: CHANCE) -> None:
    """Change a body of IFCGATE, and keep it clear: it documents no screening, so that further fields say nothing of one."""
    match chance.randrange(3):
        case 0:
            further = chance.choice(
                ("AML", "rejectLabels", "fraudTags", "hits", "screening", "riskAssessment", f"further{chance.randrange(9)}")
            )
            body.put(further, anything(chance))
        case 1:
            body.append((respelled("status", chance), chance.choice(NOTHINGS)))
        case 2:
            body.append(("status", "approved"))


def ifcgate_spoiled(body: Pairs, chance: CHANCE) -> None:
    """Change a body of IFCGATE so that its verdict is unknown, or contradicts itself."""
    match chance.randrange(3):
        case 0:
            body.put("status", chance.choice(("APPROVED", "approved ", "escalated", *UNKNOWN_WORDS, True, ["approved"], None)))
        case 1:
            body.append((respelled("status", chance), chance.choice(("rejected", "approved", True, ["rejected"]))))
        case 2:
            key, other = chance.choice((("status", "rejected"), ("case_id", "case_2"), ("event", "case.updated"), ("status", None)))
            body.insert(0, (key, other))


#: How each vendor's approving bodies are made, changed and kept clear, and spoiled.
VENDORS = {
    "idenfy": (idenfy, idenfy_kept_clear, idenfy_spoiled),
    "idngo": (idngo, idngo_kept_clear, idngo_spoiled),
    "ifcgate": (ifcgate, ifcgate_kept_clear, ifcgate_spoiled),
}


def body_of(vendor: str, chance: CHANCE, *, spoiled: bool) -> bytes:
    """One approving body of a vendor, changed several times; spoiled at last, or not at all."""
    made, kept_clear, spoil = VENDORS[vendor]
    body = made(chance)
    for _ in range(chance.randrange(4)):
        kept_clear(body, chance)
    if spoiled:
        spoil(body, chance)
    return written(body, chance).encode()
