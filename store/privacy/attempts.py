"""Failed attempts: a known caller asked for what is restricted, erased, or not within the caller's right. The audit log records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, exists, select

from store.access import audit, digests
from store.applicants import erased
from store.applicants import table as applicants
from store.database.operations_tables import Act
from store.database.tables import ApplicantRow
from store.system import clock
from store.system.logs import describe_error
from store.text.names import EVENT_ID, is_name
from store.text.states import ApplicantKey

log = structlog.get_logger()

#: Runs some work in a transaction.
Run = Callable[[Callable[[Connection], Any]], Any]

#: The action of a failed attempt.
ACTION = "refused"

#: The cause of an attempt by a caller whose right is too small. The other causes are the kinds of `Hidden`.
TOO_SMALL_RIGHT = "right"

#: The same attempt of the same caller is recorded once in this time.
ONCE_IN = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A call or a command that was refused."""

    actor: str
    os_user: str | None = None
    #: The call or the command, without the names that it was given.
    call: str
    #: The names that it was given, by what they name.
    names: Mapping[str, Any]
    environment: str
    cause: str


def record(attempt: Attempt, *, read: Run, write: Run) -> None:
    """Record a failed attempt, unless the same one was recorded shortly before. If that fails it is logged.

    `read` and `write` run work in a transaction that reads, or writes. Only a first attempt waits for other writers."""
    try:
        if read(partial(_act, attempt=attempt)) is not None:
            write(partial(_record, attempt=attempt))
    except Exception as error:  # On purpose: what is refused stays refused, whether that is recorded or not.
        log.error("a failed attempt could not be recorded", error=describe_error(error))


def _record(connection: Connection, attempt: Attempt) -> None:
    # Looked at again: meanwhile the applicant may be erased.
    act = _act(connection, attempt)
    if act is not None:
        audit.write(connection, **act)


def _act(connection: Connection, attempt: Attempt) -> dict[str, Any] | None:
    """Return an attempt as an act; None if the same one was recorded shortly before. Raises NoIndexKey and WrongIndexKey."""
    subject, reason = _subject(connection, attempt) or attempt.call, f"{attempt.cause}: {attempt.call}"
    values: dict[str, Any] = {"actor": attempt.actor, "action": ACTION, "subject": subject[: audit.SUBJECT_CHARS_MAX], "reason": reason}
    same = (getattr(Act, name) == value for name, value in values.items())
    if connection.execute(select(exists().where(*same, Act.at > clock.now() - ONCE_IN))).scalar_one():
        return None
    return values | {"os_user": attempt.os_user}


def _subject(connection: Connection, attempt: Attempt) -> str | None:
    """Return how the act names the applicant, the person or the event that was asked for; None if the attempt named none."""
    names = {name: value for name, value in attempt.names.items() if is_name(value)}
    if "case_id" in names:
        names |= {"vendor": "ifcgate", "reference": names["case_id"]}
    if "/" in names.get("entry", ""):
        names["vendor"], _, names["reference"] = names["entry"].partition("/")
    if "vendor" in names and "reference" in names:
        return _applicant(connection, ApplicantKey(names["vendor"], attempt.environment, names["reference"]))
    for name in ("external_user_id", "user"):
        if name in names:
            return _user(connection, attempt.environment, names[name])
    ids = [f"{name.removesuffix('_id')} {value}" for name, value in names.items() if EVENT_ID.fullmatch(value)]
    return ids[0] if ids else None


def _applicant(connection: Connection, key: ApplicantKey) -> str:
    """Return how an act names an applicant: by its keyed digest if it is erased or unknown, because the names may be an erased one's."""
    if erased.find(connection, key):
        return f"erased {digests.of_applicant(key).hex()}"
    if applicants.among(connection, [key]):
        return audit.applicant_subject(key)
    return f"unknown {digests.of_applicant(key).hex()}"


def _user(connection: Connection, environment: str, external_user_id: str) -> str:
    """Return how an act names a person: by a keyed digest if no applicant of that person is known, because all may be erased."""
    is_known = exists().where(ApplicantRow.environment == environment, ApplicantRow.external_user_id == external_user_id)
    if connection.execute(select(is_known)).scalar_one():
        return audit.user_subject(external_user_id)
    return f"unknown {digests.of('user', external_user_id).hex()}"
