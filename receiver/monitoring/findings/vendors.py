"""How the vendors' deliveries arrive: silence, refusals, bodies that are too large, approvals that are not understood, old secrets."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from receiver.monitoring import secret_usage
from receiver.monitoring.findings.sentence import Finding, Sentence, duration, many, option
from store.operations import anomalies
from store.operations.anomalies import VendorSight
from store.text import safe_text

HEARD = Sentence("{vendor}", "ok", "last delivery {age} ago")
NEVER_HEARD = Sentence("{vendor}", "look", "nothing authentic in the last week", "standing secrets{sandbox}")
SILENT = Sentence("{vendor}", "look", "{missing} deliveries would usually have come since the last one: look at the vendor's dashboard")
REFUSED = Sentence(
    "{vendor}",
    "look",
    "{refused} of {answered} refused lately: an attack, or a secret was changed on one side alone",
    "standing refusals --vendor {vendor}",
)
TOO_LARGE = Sentence("{vendor}", "look", "{deliveries} larger than MAX_BODY_BYTES in the last day")
NOT_UNDERSTOOD = Sentence(
    "{vendor}", "look", "{approvals} of the last day NOT_UNDERSTOOD: a changed format, or a word of no table", "standing review{sandbox}"
)
NEWS_OF_ERASED = Sentence("{vendor}", "look", "{events} of the last day about erased applicants: they were erased once they were read")
NEW_TYPES = Sentence(
    "{vendor}", "look", "new event types in the last week: {types}", "standing events list --vendor {vendor} --status ignored{sandbox}"
)
OLD_SECRET = Sentence("{vendor} secret {fingerprint}", "look", "{says}", "standing secrets{sandbox}")


def vendors(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield how each vendor's deliveries arrive: those that are configured, and those that were heard of."""
    seen = {sight.vendor: sight for sight in anomalies.vendors(connection, environment=environment)}
    configured = [one.vendor for one in secret_usage.look(connection, environment=environment)]
    for vendor in sorted({*configured, *(name for name, sight in seen.items() if sight.last_at)}):
        yield from _vendor(vendor, seen.get(vendor), environment)


def secrets(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield the secrets that are not the newest of their vendor."""
    for one in secret_usage.look(connection, environment=environment):
        if not one.newest:
            yield OLD_SECRET(vendor=one.vendor, fingerprint=one.fingerprint, says=one.says, sandbox=option(environment))


def _vendor(vendor: str, sight: VendorSight | None, environment: str) -> Iterator[Finding]:
    if sight is None or sight.silent_seconds is None:
        yield NEVER_HEARD(vendor=vendor, sandbox=option(environment))
    else:
        yield HEARD(vendor=vendor, age=duration(sight.silent_seconds))
    if sight is None:
        return
    if sight.is_silent:
        yield SILENT(vendor=vendor, missing=sight.missing)
    if sight.has_surge:
        yield REFUSED(vendor=vendor, refused=sight.refused, answered=sight.answered)
    if sight.too_large:
        yield TOO_LARGE(vendor=vendor, deliveries=many(sight.too_large, "delivery", "deliveries"))
    if sight.not_understood:
        yield NOT_UNDERSTOOD(vendor=vendor, approvals=many(sight.not_understood, "approval"), sandbox=option(environment))
    if sight.news_of_erased:
        yield NEWS_OF_ERASED(vendor=vendor, events=many(sight.news_of_erased, "event"))
    if sight.unknown_types:
        types = ", ".join(f"{safe_text.plain(name)} ×{count}" for name, count in sight.unknown_types.items())
        yield NEW_TYPES(vendor=vendor, types=types, sandbox=option(environment))
