"""Masking: fields that the rules use are shown, and everything else of a body is masked, because it may be a passport."""

from __future__ import annotations

import json
from typing import Any

from store.text.counts import counted

MASKED = "•••"

#: Fields whose values are the vendors' own words, ids and times. Names, numbers of documents, links and comments are not among them.
SHOWN = frozenset(
    {
        # IDnGO
        "type", "applicantId", "inspectionId", "correlationId", "applicantType", "levelName", "previousLevelName", "reviewStatus",
        "reviewAnswer", "reviewRejectType", "rejectLabels", "createdAt", "createdAtMs", "sandboxMode", "amlCaseId", "caseId",
        # iDenfy
        "scanRef", "final", "overall", "suspicionReasons", "mismatchTags", "fraudTags", "denyReasons", "autoDocument", "autoFace",
        "manualDocument", "manualFace", "additionalSteps", "startTime", "finishTime", "monitoringId", "scanRefList", "alertStatus",
        "expirationThreshold", "serviceSuspected",
        # IFCGATE
        "event", "case_id", "status", "workflow", "processed_at",
    }
)  # fmt: skip


def readable(body: bytes, *, reveal: bool = False) -> str:
    """Return a body as indented JSON, masked unless revealed; of a body that is no JSON, or nested too deeply, only its length."""
    try:
        content = json.loads(body)
        text = json.dumps(content if reveal else masked(content), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode(errors="replace") if reveal else f"{counted(len(body), 'byte')} that are no JSON"
    # A lone surrogate stays escaped, as it was in the body: no text can hold it.
    return text.encode(errors="backslashreplace").decode()


def masked(content: Any, *, shown: bool = False) -> Any:
    """Return a JSON value in which each text and number is masked, unless it is in a field that is shown."""
    if isinstance(content, dict):
        return {name: masked(value, shown=name in SHOWN) for name, value in content.items()}
    if isinstance(content, list):
        return [masked(value, shown=shown) for value in content]
    return content if shown or content is None or isinstance(content, bool) else MASKED
