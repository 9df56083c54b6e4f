"""How pages are written: the times, the links, the words and the notices that every template uses."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Flask, Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import charts, guard, sessions
from receiver.console.navigation import SECTIONS
from store.text import safe_text
from store.text.states import VendorEnvironment

#: A sentence for the page that follows a form. It names no person.
NOTICE = "__Host-standing-notice"

#: How a word of ours is shown: its colour, beside the word itself and a sign.
GOOD, BAD, DOUBT, PLAIN = "good", "bad", "doubt", "plain"
TONES = {
    "approved": GOOD, "applied": GOOD, "done": GOOD, "ok": GOOD, "reinstated": GOOD, "running": GOOD,
    "rejected": BAD, "failed": BAD, "deleted": BAD, "deactivated": BAD, "adverse": BAD, "wrong": BAD, "expired": BAD, "refused": BAD,
    "needs_review": DOUBT, "resubmission_requested": DOUBT, "document_expired": DOUBT, "unreadable": DOUBT, "look": DOUBT,
    "awaiting_applicant": DOUBT, "on_hold": DOUBT, "waits": DOUBT, "interrupted": DOUBT, "stopped": DOUBT, "proposed": DOUBT,
}  # fmt: skip

SIGNS = {GOOD: "✓", BAD: "✕", DOUBT: "!", PLAIN: "·"}


def prepare(app: Flask) -> None:
    """Give an application's templates what all of them use."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "when": when,
        "words": words,
        "tone": tone,
        "sign": lambda value: SIGNS[tone(value)],
        "plain": safe_text.plain,
    }
    app.jinja_env.globals |= {"to": to, "here": here, "csrf": guard.csrf_token, "may": guard.may, "chart": charts}
    app.context_processor(_of_the_request)
    app.after_request(_take_notice)
    app.after_request(sessions.keep)


def page(template: str, status: int = 200, **content: Any) -> Response:
    """Return a page."""
    return Response(render_template(template, **content), status)


def file(content: str | bytes, name: str, content_type: str = "text/plain; charset=utf-8") -> Response:
    """Return a file to be kept, of a name that has no other characters than those of our ids."""
    return Response(content, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def done(endpoint: str, says: str, **path: Any) -> AnyResponse:
    """Lead to the page that shows what a form did, with a sentence that names no person."""
    answer = redirect(to(endpoint, **path), 303)
    answer.set_cookie(NOTICE, says, path="/", secure=True, httponly=True, samesite="Strict", max_age=30)
    return answer


def environment() -> str:
    """Return whose applicants are looked at: `live`, unless the address says `sandbox`."""
    given = request.args.get("environment")
    return VendorEnvironment.SANDBOX if given == VendorEnvironment.SANDBOX else VendorEnvironment.LIVE


def to(endpoint: str, **values: Any) -> str:
    """Return the address of a page, which looks at the same environment."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    if environment() == VendorEnvironment.SANDBOX:
        given.setdefault("environment", VendorEnvironment.SANDBOX.value)
    return url_for(endpoint, **given)


def here(**changes: Any) -> str:
    """Return the address of this view with its filters, from its first row, and with changes."""
    names = request.view_args or {}
    filters = {name: value for name, value in request.args.items() if name not in ("cursor", "format", *names)} | changes
    path, _, query = to(str(request.endpoint), **names).partition("?")
    # Filters have any name that somebody wrote: `url_for` would take some for options of its own.
    given = dict(parse_qsl(query)) | {name: value for name, value in filters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def when(text: str | None) -> str:
    """Return a time of the API as it is read: `2026-11-30 19:02:35 UTC`."""
    if not text:
        return ""
    day, _, rest = text.partition("T")
    return f"{day} {rest.partition('.')[0].removesuffix('Z')} UTC" if rest else day


def words(value: object) -> str:
    """Return a word or a list of the API as it is read."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(words(one) for one in value)
    return safe_text.plain(str(value)) if value is not None else ""


def tone(value: object) -> str:
    """Return how a word is to be taken: good, bad, in doubt, or neither."""
    return TONES.get(str(value), PLAIN)


def _of_the_request() -> dict[str, Any]:
    signed_in = g.get("signed_in")
    sections = [one for one in SECTIONS if signed_in and guard.may(one.right)]
    return {
        "signed_in": signed_in,
        "sections": sections,
        "environment": environment(),
        "notice": request.cookies.get(NOTICE, "")[:200],
    }


def _take_notice(response: Response) -> Response:
    if request.method == "GET" and request.endpoint != "static" and request.cookies.get(NOTICE):
        response.delete_cookie(NOTICE, path="/", secure=True, httponly=True, samesite="Strict")
    return response
