"""Expiry: the date on which a verified document runs out, where a vendor tells it. Nothing else of the document is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
from msgspec import structs

from handlers.rules.news import News, Step

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def with_expiry(news: News, expires_on: str | None) -> News:
    """Return news whose verdict or progress tells when the document runs out."""
    if expires_on is None or not isinstance(news.says, Step):
        return news
    return structs.replace(news, says=structs.replace(news.says, document_expires_on=expires_on))


def of_idenfy(data: Any) -> str | None:
    """Return `docExpiry` of a result's `data`; None where it is no date.

    Source: the field `docExpiry` of iDenfy's identification result, `YYYY-MM-DD`."""
    return _a_date(data.get("docExpiry")) if isinstance(data, dict) else None


def of_idngo(answer: bytes) -> str | None:
    """Return the earliest `validUntil` of `info.idDocs`; None where there is none.

    Source: the applicant that IDnGO's `GET /resources/applicants/{id}/one` answers with, `YYYY-MM-DD`."""
    told = msgspec.json.decode(answer)
    info = told.get("info") if isinstance(told, dict) else None
    documents = info.get("idDocs") if isinstance(info, dict) else None
    entries: Iterable[Any] = documents if isinstance(documents, list) else ()
    dates = [_a_date(entry.get("validUntil")) for entry in entries if isinstance(entry, dict)]
    return min((found for found in dates if found is not None), default=None)


def _a_date(value: Any) -> str | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return None
