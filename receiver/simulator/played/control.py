"""The calls under /play/: set a status, a fault, the next verdict; read what was bought and sent; play a person's visit."""

from __future__ import annotations

from typing import Any, Literal, Protocol
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from receiver.simulator.played import faults
from receiver.simulator.played.exchange import Refusal, Reply, Request
from receiver.simulator.played.faults import Fault
from receiver.simulator.played.records import LEVEL, Event, Played, Standing, statuses
from store.system import clock


class Judge(Protocol):
    """A vendor's own part in a verdict."""

    requires: tuple[str, ...]

    def judge(self, played: Played, reference: str) -> None: ...


class Told(Struct, forbid_unknown_fields=True):
    """The status that an applicant gets: `PUT /play/<vendor>/<reference>`."""

    #: The vendor's own word; IDnGO's GREEN, RED:FINAL, RED:RETRY, or a review's status.
    status: str
    #: When that came to be, RFC 3339; None: now.
    at: str | None = None
    user: str | None = None
    says: dict[str, Any] = {}
    #: iDenfy: whether the token is valid, so that a deletion is refused.
    token_lives: bool = False
    level: str | None = None
    #: The labels of a rejection at IDnGO, the fraud tags at iDenfy.
    labels: tuple[str, ...] = ()
    #: Whether a webhook is sent about it, too.
    webhook: bool = False


class Settings(Struct, forbid_unknown_fields=True):
    """How a vendor behaves from now on: `PUT /play/<vendor>`. What is left out stays as it is."""

    fault: str | UnsetType | None = UNSET
    times: int | None = None
    retry_after: str | None = None
    path: str = ""
    #: The verdict of every review that follows, or one each; null: the usual one.
    next: str | list[str] | UnsetType | None = UNSET
    #: Only of this user.
    user: str | None = None
    #: IDnGO: what a RED:RETRY asks for again: steps, or `STEP/SIDE`.
    failed: tuple[str, ...] | UnsetType = UNSET
    #: IFCGATE: the document types of a workflow. IDnGO: the steps of a level.
    requires: tuple[str, ...] | UnsetType = UNSET
    #: iDenfy: the field with the token in a direct processing.
    token_field: Literal["token", "authToken"] | UnsetType = UNSET
    #: iDenfy: whether it is the DEV environment, where `dummyStatus` is allowed.
    development: bool | UnsetType = UNSET
    #: iDenfy: whether a client with an active session gets no other (409).
    one_session: bool | UnsetType = UNSET


def change(request: Request, vendors: dict[str, Any], played: dict[str, Played]) -> Reply:
    """Answer a call under /play/."""
    name, _, reference = urlsplit(request.path).path.removeprefix("/play/").partition("/")
    if name not in vendors:
        return Reply(status=404, content={"error": f"one of {', '.join(vendors)}"})
    try:
        return _change(name, unquote(reference), request, vendors[name], played)
    except Refusal as refusal:
        return refusal.reply
    except KeyError as error:
        return Reply(status=404, content={"error": f"{name} does not wait for {error.args[0]}"})
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        return Reply(status=400, content={"error": str(error)})


def _change(name: str, reference: str, request: Request, vendor: Any, played: dict[str, Played]) -> Reply:
    mine = played[name]
    match request.method:
        case "GET":
            return Reply(status=200, content=mine.describe())
        case "POST" if reference.endswith("/visit") and hasattr(vendor, "visit"):
            return Reply(status=200, content={"reference": vendor.visit(reference.removesuffix("/visit"), mine)})
        case "DELETE" if reference:
            mine.table.pop(reference, None)
        case "PUT" if reference:
            _set_status(reference, msgspec.json.decode(request.body, type=Told), vendor, mine)
        case "PUT":
            _set_behaviour(name, msgspec.json.decode(request.body, type=Settings), mine)
        case _:
            return Reply(status=404, content={"error": "there is no such call"})
    return Reply(status=200, content={"applicants": statuses(mine)})


def _set_status(reference: str, told: Told, vendor: Judge, played: Played) -> None:
    """Raises ValueError."""
    before = played.table.get(reference)
    played.table[reference] = Standing(
        status=told.status,
        at=clock.parse_rfc3339(told.at) if told.at else clock.now(),
        user=told.user or (before.user if before else f"user-of-{reference}"),
        says=told.says,
        token_lives=told.token_lives,
        earlier=(*before.earlier, (before.status, before.at)) if before else (),
        level=told.level or (before.level if before else LEVEL),
        labels=told.labels,
    )
    vendor.judge(played, reference)
    if told.webhook:
        played.events.append(Event(reference=reference, what="changed", standing=played.table[reference]))


def _set_behaviour(name: str, told: Settings, played: Played) -> None:
    """Raises ValueError."""
    if told.fault is not UNSET:
        faults.check(name, told.fault)
        played.fault = Fault(fault=told.fault, times=told.times, retry_after=told.retry_after, path=told.path)
    if told.next is not UNSET and told.user is None:
        played.verdicts.general = told.next
    elif told.next is not UNSET and told.user is not None:
        played.verdicts.of_users[told.user] = told.next
    for setting in ("failed", "requires", "token_field", "development", "one_session"):
        if (value := getattr(told, setting)) is not UNSET:
            setattr(played, setting, value)
