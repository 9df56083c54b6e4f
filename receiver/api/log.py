"""/v1/log: signed checkpoints, proofs of single rows, consistency, leaves, and keys: what an auditor verifies offline."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection

from receiver.monitoring.findings import proof as findings
from receiver.openapi import log_schemas
from receiver.web import auth, queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, Text, call
from receiver.web.problems import Problem, sentence
from receiver.web.queries import Number
from store.access import audit
from store.applicants.feed import OutOfPlace
from store.config import settings
from store.inbox.sealing.encryption import Unopenable
from store.proof import checkpoints
from store.proof.shown import health, proofs, rows, state
from store.proof.shown.proofs import Altered, LargerThanSigned, NotSigned
from store.proof.shown.rows import About, NotLogged, Sought

blueprint = Blueprint("log", __name__, url_prefix="/v1")

TEXT = Text("text/plain", {"type": "string"})

#: Seconds within which a row is logged and its leaf is signed, where nothing is wrong.
RETRY_AFTER = "5"

NOTHING_SIGNED = "No checkpoint is signed."

#: The right that a proof of each needs: that of the calls that show it. A leaf by its number: by what it is about.
RIGHTS = {About.ACT: Right.OPERATE, About.ERASURE: Right.PRIVACY, About.HOLD: Right.PRIVACY}

#: What a proof is asked for, as the record of a failed attempt names it.
NAMED = {about.value: f"{about}_id" for about in (About.EVENT, About.ERASURE, About.HOLD)}


class CheckpointQuery(msgspec.Struct, forbid_unknown_fields=True):
    origin: Annotated[queries.StoredName | None, Meta(description="Of one epoch, by its origin. Default: of the newest.")] = None


class ProofQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    event: Annotated[queries.Text | None, Meta(description="An event's id.")] = None
    change: Annotated[queries.Text | None, Meta(description="A change's cursor in the feed, or its number alone.")] = None
    act: Annotated[queries.Text | None, Meta(description="The id of an act of the audit log.")] = None
    erasure: Annotated[queries.Text | None, Meta(description="An erasure's id. Its last stage is proved.")] = None
    hold: Annotated[queries.Text | None, Meta(description="A hold's id. Its last stage is proved.")] = None
    leaf: Annotated[queries.Text | None, Meta(description="A leaf's number, as an older proof has it.")] = None
    body: Annotated[bool | None, Meta(description="Whether an event's body is shown. Default: to privacy officers alone.")] = None
    reason: queries.Reason | None = None


class ConsistencyQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"size": "from"}):
    size: Annotated[Number, Meta(description="How many leaves the older tree has.")]


class EntriesQuery(msgspec.Struct, forbid_unknown_fields=True):
    start: Annotated[Number, Meta(description="The number of the first leaf.")] = 0
    limit: queries.Limit = 50


@blueprint.get("/log")
@call(right=Right.READ, answers=log_schemas.LogState)
def get_log(connection: Connection) -> dict[str, Any]:
    """The state of the log: how far it is signed, where it was published, and when what is new was last compared with the rows.

    `findings` has its lines of the status."""
    found = health.of(connection)
    return state.describe(connection, found) | {"findings": list(findings.log(connection, found))}


@blueprint.get("/log/checkpoint")
@call(right=Right.READ, query=CheckpointQuery, answers=TEXT, other_statuses=(404,), unknown=NOTHING_SIGNED)
def get_checkpoint(connection: Connection, query: CheckpointQuery) -> Response | None:
    """The newest signed checkpoint, as C2SP `tlog-checkpoint`."""
    found = checkpoints.newest(connection, query.origin)
    return _text(found.note) if found else None


@blueprint.get("/log/proof")
@call(right=Right.READ, query=ProofQuery, answers=TEXT, other_statuses=(404, 409, 410), named_in_query=NAMED)
def get_proof(caller: Caller, query: ProofQuery) -> Response:
    """The proof that a row is in the log, as C2SP `tlog-proof`; its `extra` line has the opening. Name one row, or a leaf.

    Needs the right that the row itself needs: operators see acts, and privacy officers see erasures and holds. The audit log records who
    read a body, and the reason, if one is given. A row that is not logged yet is answered 404 with `Retry-After`."""
    about, name = _named(query)
    auth.check(caller, RIGHTS.get(about, Right.READ))
    if query.body and not caller.is_privacy_officer:
        raise auth.TooSmallRight("The body's opening needs a privacy officer's token.")
    with_body = about in (About.EVENT, About.LEAF) and caller.is_privacy_officer and query.body is not False
    run = queries.write if with_body or settings().audit_reads else queries.read
    return _text(run(lambda connection: _prove(connection, caller, about, name, query, with_body=with_body)))


@blueprint.get("/log/consistency")
@call(right=Right.READ, query=ConsistencyQuery, answers=TEXT, other_statuses=(404, 409))
def get_consistency(connection: Connection, query: ConsistencyQuery) -> Response:
    """The proof that the tree of the first leaves is the beginning of the newest signed tree, as C2SP `tlog-witness` `add-checkpoint`.

    409: fewer leaves are signed."""
    try:
        return _text(proofs.consistency(connection, query.size))
    except NotSigned as error:
        raise Problem(404, NOTHING_SIGNED) from error
    except LargerThanSigned as error:
        raise Problem(409, sentence(error)) from error


@blueprint.get("/log/entries")
@call(right=Right.READ, query=EntriesQuery, answers=PageOf(log_schemas.LogLeaf))
def list_log_entries(connection: Connection, query: EntriesQuery) -> Response:
    """The leaves in order, as far as they are signed. `next_cursor` is the `start` of the next page."""
    found = proofs.entries(connection, query.start, query.limit + 1)
    more, data = len(found) > query.limit, [proofs.describe_entry(row) for row in found[: query.limit]]
    following = str(data[-1]["number"] + 1) if more else None
    return queries.answer({"data": data, "next_cursor": following, "has_more": more})


@blueprint.get("/log/keys")
@call(right=Right.READ, answers=TEXT, other_statuses=(404,), unknown=NOTHING_SIGNED)
def list_log_keys(connection: Connection) -> Response | None:
    """The public keys of all epochs, the newest first, as C2SP vkeys, one a line."""
    found = checkpoints.vkeys(connection)
    return _text("".join(f"{vkey}\n" for vkey in found)) if found else None


def _named(query: ProofQuery) -> tuple[About, str]:
    """Return what a query names. Raises a problem unless that is one thing."""
    given = [(about, name) for about in About if (name := getattr(query, about)) is not None]
    if len(given) != 1:
        raise Problem(400, f"Name one of these in the query: {', '.join(About)}.")
    return given[0]


def _prove(connection: Connection, caller: Caller, about: About, name: str, query: ProofQuery, *, with_body: bool) -> str:
    """Return a proof, and record who looked. Raises Hidden, and a problem where there is no proof."""
    sought = _find(connection, about, name)
    _check_right(caller, sought)
    try:
        rows.check_visible(connection, sought, is_officer=caller.is_privacy_officer, with_body=bool(query.body))
        found = proofs.prove(connection, sought, with_body=with_body)
    except NotLogged as error:
        raise Problem(404, "This is not logged yet.", {"Retry-After": RETRY_AFTER}) from error
    except Altered as error:
        raise Problem(409, sentence(error)) from error
    except Unopenable as error:
        raise Problem(409, "The event cannot be opened with the keys that are configured.") from error
    _record(connection, caller, sought, query.reason, has_body=found.has_body)
    return found.text


def _find(connection: Connection, about: About, name: str) -> Sought:
    try:
        sought = rows.find(connection, about, name)
    except OutOfPlace as error:
        raise Problem(400, f"Invalid query parameter 'change': {error}.") from error
    if sought is None:
        raise Problem(404, f"No {about} has this {'number' if about == About.LEAF else 'cursor' if about == About.CHANGE else 'id'}.")
    return sought


def _check_right(caller: Caller, sought: Sought) -> None:
    """Check the right for a leaf that was asked for by its number. What was emptied says nothing more."""
    if sought.leaf is not None and sought.leaf.emptied_by is None:
        needed = next((right for about, right in RIGHTS.items() if sought.kind in rows.KINDS[about]), Right.READ)
        auth.check(caller, needed)


def _record(connection: Connection, caller: Caller, sought: Sought, reason: str | None, *, has_body: bool) -> None:
    """Record that a body was read, and any other look-up if AUDIT_READS asks for it."""
    subject = rows.subject(connection, sought)
    if subject is None:
        return
    if has_body:
        audit.write(connection, actor=caller.name, action="read a body", subject=subject, reason=reason, touched=1)
    elif settings().audit_reads:
        audit.write(connection, actor=caller.name, action=audit.LOOKED_UP, subject=subject)


def _text(content: str) -> Response:
    return Response(content, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})
