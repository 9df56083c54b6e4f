"""What a caller may not see becomes a problem, and the audit log records the attempt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import request

from receiver.web import queries
from receiver.web.auth import Caller, TooSmallRight
from receiver.web.problems import Problem, sentence
from store.applicants.visibility import Erased, Hidden
from store.privacy import attempts
from store.privacy.attempts import Attempt
from store.text.states import VendorEnvironment

#: How a name's kind is written in a rule: `<name:event_id>`.
_CONVERTER = re.compile(r"<\w+:")


@contextmanager
def recorded(caller: Caller, names: Mapping[str, str]) -> Iterator[None]:
    """Record what a caller is refused, by the names in the call's path, and raise its problem."""
    try:
        yield
    except Hidden as hidden:
        _record(caller, names, hidden.kind)
        raise _problem(hidden) from hidden
    except TooSmallRight:
        _record(caller, names, attempts.TOO_SMALL_RIGHT)
        raise


def _record(caller: Caller, names: Mapping[str, str], cause: str) -> None:
    given = request.args.get("environment")
    environment = VendorEnvironment.SANDBOX if given == VendorEnvironment.SANDBOX else VendorEnvironment.LIVE
    attempt = Attempt(actor=caller.name, call=_call(), names=names, environment=environment, cause=cause)
    attempts.record(attempt, read=queries.read, write=queries.write)


def _call() -> str:
    """Return the method and the path of the current request, without the names in it."""
    return f"{request.method} {_CONVERTER.sub('<', str(request.url_rule))}"


def _problem(hidden: Hidden) -> Problem:
    if isinstance(hidden, Erased):
        more = {"erased_at": hidden.erased_at} | ({"erasure_id": hidden.erasure_id} if hidden.erasure_id else {})
        return Problem(410, "This was erased.", {"Cache-Control": "no-store"}, kind=hidden.kind, **more)
    return Problem(403, sentence(hidden), kind=hidden.kind)
