"""Subscribers of changes: the log, the configured endpoints, and functions of the owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from msgspec import Struct

from handlers import config
from store.applicants import feed
from store.system.logs import describe_error
from store.text.states import Reversal

log = structlog.get_logger()

GROUP = "standing.reactions"

#: What is noted of a change that was emptied before somebody was notified of it.
GIVEN_WAY = "the applicant was erased"

#: Reactions of one subscriber, to changes of different applicants, that are done at a time.
AT_ONCE = 8


class NotNow(Exception):
    """The subscriber cannot be notified now, whatever the change is; it is paused. The message is its answer."""

    def __init__(self, says: str, *, rest: timedelta = timedelta()) -> None:
        super().__init__(says)
        self.rest = rest


class Refused(Exception):
    """The subscriber did not accept this change. The message is its answer."""


class Gone(Exception):
    """The subscriber wants no further notifications. The message is its answer."""


class Emptied(Exception):
    """The applicant of a change was erased: no subscriber is notified of it. The notice of the erasure takes its place."""


class Change(Struct, frozen=True, kw_only=True, rename={"from_status": "from", "to_status": "to"}):
    """One change of an applicant, as the change feed shows it, or the notice that an applicant was erased. It cannot be altered."""

    cursor: str
    #: Such as `applicant.rejected`. The notice is `applicant.erased`: erase what you keep of the applicant.
    type: str
    vendor: str
    environment: str
    reference: str
    from_status: str | None = None
    #: A status; of the notice `erased`.
    to_status: str
    #: `adverse` if an approval fell.
    reversal: str | None = None
    changed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    event_id: str | None = None
    as_of: str | None = None
    at: str
    #: None: of the notice.
    code_version: str | None = None
    #: Of a link: who linked it, from which user to which.
    linked: Mapping[str, str | None] | None = None
    #: The applicant as it then was. None: it is restricted, or this is the notice.
    applicant: Mapping[str, Any] | None = None
    #: Of the notice alone: the user, if one is known, and the erasure.
    external_user_id: str | None = None
    erasure_id: str | None = None


def change_of(entry: Mapping[str, Any]) -> Change:
    """Return a change, or the notice of an erasure, from its entry in the feed. Raises Emptied."""
    if entry["type"] == feed.ERASED:
        raise Emptied
    given: dict[str, Any] = {"to": feed.ERASED} if entry["type"] == feed.NOTICE else {}
    given |= {name: _frozen(value) for name, value in entry.items()}
    return Change(**{{"from": "from_status", "to": "to_status"}.get(name, name): value for name, value in given.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value


class Subscriber(Protocol):
    """A receiver of notifications."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        """How it is shown. Its name is how it is kept."""
        ...

    @property
    def is_foreign(self) -> bool:
        """Whether foreign code runs in this process, which may hang or crash it: then a claim counts as an attempt."""
        ...

    @property
    def at_once(self) -> int:
        """How many changes it may be notified of at a time."""
        ...

    def wants(self, change: Any) -> bool:
        """Return whether it is to be notified of a change, of which the columns `store.outbox.dispatch.FOLLOWED` are known."""
        ...

    def tell(self, entry: dict[str, Any]) -> str:
        """Notify it of a change, an entry of the feed; return the answer in a few words.

        Raises NotNow, Refused or Gone. Anything else that it raises is a failure of our own, and counts as no attempt."""
        ...


class Log:
    """Logs a warning for every approval that fell, because an operator may have to be woken. Ids only, so that it has nothing to erase, and
    wants no notice of an erasure."""

    name = title = "log"
    is_foreign = False
    #: A line takes no time; to note one by one that it was written does.
    at_once = 100

    def wants(self, change: Any) -> bool:
        return bool(change.reversal == Reversal.ADVERSE)

    def tell(self, entry: dict[str, Any]) -> str:
        if entry["type"] in (feed.ERASED, feed.NOTICE):
            return GIVEN_WAY
        log.warning(
            "an approval fell",
            change=entry["cursor"],
            event_id=entry["event_id"],
            vendor=entry["vendor"],
            environment=entry["environment"],
            reversal=entry["reversal"],
            status=entry["to"],
            version=(entry["applicant"] or {}).get("version"),
        )
        return "logged"


@dataclass(frozen=True)
class Function:
    """A function of the owner, found by its entry point."""

    name: str
    is_foreign = True
    at_once = AT_ONCE
    function: Callable[[Change], object]

    @property
    def title(self) -> str:
        return self.name

    def wants(self, change: Any) -> bool:
        return change.environment in config.settings().environments

    def tell(self, entry: dict[str, Any]) -> str:
        try:
            change = change_of(entry)
        except Emptied:
            return GIVEN_WAY
        try:
            self.function(change)
        except (NotNow, Refused, Gone):
            raise
        except BaseException as error:  # Whatever it is, the function is tried again.
            raise Refused(describe_error(error)) from error
        return "done"


def function_names() -> list[str]:
    """Return the names of the installed functions, also of those that cannot be loaded. Loads none."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def functions() -> list[Subscriber]:
    """Return the installed functions. One that cannot be loaded is reported in the log and by `standing doctor`; its changes wait."""
    found: list[Subscriber] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            found.append(Function(entry.name, entry.load()))
        except Exception as error:  # Whatever is broken in it must not keep others from being notified.
            log.error("a reaction cannot be loaded", subscriber=entry.name, error=describe_error(error))
    return found
