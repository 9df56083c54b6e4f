"""The settings of the log: under which name and with which key it signs, and where its checkpoints are published."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from store.config import base64_keys
from store.system.environment import Environment
from store.text.web_addresses import same, web_address

#: A checkpoint is published so often at most.
MINUTES = 10

#: The longest origin. The number of the epoch follows it, and the column has 200 characters.
ORIGIN_CHARS_MAX = 100

#: The origin where the host's name cannot be one.
NO_HOST = "standing"

#: The most places.
PLACES_MAX = 20

#: The place of LOG_PUBLISH that is the log of the process.
LOG_LINES = "log"


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The settings of the log."""

    #: The name of the log, without the number of its epoch. It applies when the next epoch begins.
    origin: str
    #: Whether LOG_ORIGIN names it; else it is the host's name, and another host has another one.
    origin_is_given: bool
    #: The seed of the Ed25519 key. None: leaves are appended, and nothing is signed.
    signing_key: bytes | None
    #: The checkpoint that was signed last, in a file outside the database.
    state: Path
    #: Whether LOG_STATE names it; else it is in VAR_DIR, which another host does not see.
    state_is_given: bool
    #: Where checkpoints are published: web addresses, absolute folders, `log`.
    publish: tuple[str, ...]
    #: How often, while there is something new.
    every: timedelta


def read(environment: Environment) -> LogSettings:
    """Return the settings. The environment collects what is wrong with them."""
    return LogSettings(
        origin=_origin(environment),
        origin_is_given=bool(environment.text("LOG_ORIGIN")),
        signing_key=base64_keys.single(environment, "LOG_SIGNING_KEY"),
        state=Path(environment.text("LOG_STATE", str(environment.var_dir / "log.state"))).absolute(),
        state_is_given=bool(environment.text("LOG_STATE")),
        publish=_publish(environment),
        every=timedelta(minutes=environment.number("LOG_MINUTES", MINUTES, most=7 * 24 * 60)),
    )


def is_folder(place: str) -> bool:
    """Return whether a place of LOG_PUBLISH is a folder."""
    return place.startswith("/")


def is_address(place: str) -> bool:
    """Return whether a place of LOG_PUBLISH is a web address."""
    return "://" in place and not is_folder(place)


def _origin(environment: Environment) -> str:
    given = environment.text("LOG_ORIGIN")
    if not given:
        host = socket.gethostname()
        return NO_HOST if _origin_fault(host) else host
    if fault := _origin_fault(given):
        environment.wrong("LOG_ORIGIN", fault)
    return given


def _origin_fault(text: str) -> str | None:
    """Return why a text cannot be the name of a key of C2SP `signed-note`, with room for an epoch; None if it can."""
    if not text or len(text) > ORIGIN_CHARS_MAX:
        return f"must have 1 to {ORIGIN_CHARS_MAX} characters"
    if not text.isascii() or not text.isprintable() or " " in text or "+" in text:
        return "must be printable ASCII without spaces and without +"
    return "must not end in /, because the number of the epoch follows" if text.endswith("/") else None


def _publish(environment: Environment) -> tuple[str, ...]:
    plain_http = environment.yes_or_no("NOTIFY_PLAIN_HTTP")
    places = environment.each("LOG_PUBLISH", lambda text: _place(text, plain_http=plain_http))
    if len(places) > PLACES_MAX:
        environment.wrong("LOG_PUBLISH", f"names {len(places)} places: at most {PLACES_MAX} are possible")
    if len({_one_place(place) for place in places}) < len(places):
        environment.wrong("LOG_PUBLISH", "names a place twice")
    return places


def _place(text: str, *, plain_http: bool) -> str:
    if text == LOG_LINES:
        return text
    if is_folder(text):
        if not text.isprintable():
            raise ValueError("has control characters")
        return str(Path(text))
    if is_address(text):
        return web_address(text, plain_http=plain_http)
    raise ValueError(f"is no https:// address, no absolute folder, and not `{LOG_LINES}`")


def _one_place(place: str) -> object:
    return same(place) if is_address(place) else place
