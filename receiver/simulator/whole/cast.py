"""The cast: which verifications are started, what the played vendor decides, and the state of the applicant at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.simulator.stories import NOT_VERIFIED

#: Identity documents: those with one image, and one with two.
PASSPORT = {"type": "PASSPORT", "country": "EST"}
CARD_FRONT = {"type": "ID_CARD", "side": "FRONT", "country": "EST"}
CARD_BACK = {"type": "ID_CARD", "side": "BACK", "country": "EST"}
SELFIE = {"type": "SELFIE", "country": "EST"}

#: IFCGATE fetches its documents.
FETCHED = {"type": "PASSPORT", "country": "EST", "url": "https://files.example.com/passport.png"}

APPROVED = {"status": "approved", "final": True, "reasons": []}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A verification from its start to its end."""

    name: str
    vendor: str
    mode: str
    documents: tuple[Mapping[str, str], ...] = ()
    #: What the vendor decides, one review each.
    verdicts: tuple[str, ...]
    #: Fields of the applicant at the end, as the API shows them.
    ending: Mapping[str, object]
    #: The document that the first verdict asks for again.
    again: Mapping[str, str] | None = None
    #: What the vendor says later of an approved applicant: a status and its labels.
    later: tuple[str, tuple[str, ...]] | None = None
    reversals: tuple[str, ...] = ()

    @property
    def reviews(self) -> int:
        return len(self.verdicts)


def _part(name: str, vendor: str, mode: str, *verdicts: str, ending: Mapping[str, object] = APPROVED, **more: Any) -> Part:
    return Part(name=name, vendor=vendor, mode=mode, verdicts=verdicts, ending=ending, **more)


#: Those that show most come first, so that a few suffice.
PARTS = (
    _part(
        "asked for the selfie again, approved", "idngo", "documents", "RED:RETRY", "GREEN", documents=(CARD_FRONT, CARD_BACK, SELFIE),
        again=SELFIE,
    ),
    _part(
        "approved, blacklisted later", "idngo", "documents", "GREEN", documents=(PASSPORT, SELFIE),
        later=("RED:FINAL", ("BLACKLIST", "SANCTIONS")), reversals=("adverse",),
        ending={"status": "rejected", "final": True, "reasons": ["BLACKLIST", "SANCTIONS"], "hits": ["blacklist", "sanctions"],
                "ever_approved": True},
    ),
    _part("approved", "idenfy", "documents", "APPROVED", documents=(CARD_FRONT, CARD_BACK, SELFIE)),
    _part("approved", "ifcgate", "documents", "approved", documents=(FETCHED,), ending={"status": "approved", "final": True}),
    _part("approved", "idngo", "hosted", "GREEN"),
    _part("approved", "idenfy", "hosted", "APPROVED"),
    _part(
        "approved, found on the blacklist later", "idenfy", "hosted", "APPROVED", later=("DENIED", ("FACE_BLACKLISTED",)),
        reversals=("adverse",), ending={"status": "rejected", "final": True, "reasons": ["FACE_BLACKLISTED"], "ever_approved": True},
    ),
    _part(
        "approved, rejected later", "ifcgate", "documents", "approved", documents=(FETCHED,), later=("rejected", ()),
        reversals=("adverse",), ending={"status": "rejected", "final": True, "ever_approved": True},
    ),
    _part(
        "rejected", "idngo", "hosted", "RED:FINAL",
        ending={"status": "rejected", "may_retry": False, "reasons": ["FORGERY"], "user_message": NOT_VERIFIED, "ever_approved": False},
    ),
    _part(
        "rejected", "idenfy", "documents", "DENIED", documents=(PASSPORT, SELFIE),
        ending={"status": "rejected", "reasons": ["FAKE_PHOTO"], "ever_approved": False},
    ),
    _part("suspected", "idenfy", "hosted", "SUSPECTED", ending={"status": "needs_review", "reasons": ["DUPLICATE_FACE"]}),
    _part("rejected", "ifcgate", "documents", "rejected", documents=(FETCHED,), ending={"status": "rejected", "ever_approved": False}),
)  # fmt: skip
