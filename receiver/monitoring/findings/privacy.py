"""What needs a person about personal data: the ledger, INDEX_KEY, deadlines, holds, and what is kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection

from receiver.monitoring.findings.sentence import Finding, Sentence, many
from store import config
from store.access.digests import NoIndexKey, WrongIndexKey
from store.privacy import overview
from store.privacy.restoring import gate, index_key, ledger
from store.system import clock
from store.system.environment import Environment

#: After so long a person asks the vendor. By default the token of a verification is valid for an hour.
AT_VENDOR_MAX = timedelta(days=7)

ERASED_AGAIN = Sentence(
    "erasures", "wrong", "{erasures} of the ledger are done again, because this database lacks them: until then nothing is shown or handled"
)
LEDGER = Sentence(
    "ledger", "wrong", "{fault}: nothing is shown, handled or erased", "standing erasures accept-ledger --reason REASON"
)  # fmt: skip
READ_ONLY = Sentence("ledger", "wrong", "{path} cannot be written by this host: it erases nothing")
OVERDUE = Sentence("erasures", "look", "{erasures} past the deadline: the person must have an answer", "standing erasures list{sandbox}")
HELD = Sentence("erasures", "look", "{erasures} waiting until a hold is lifted", "standing holds list{sandbox}")
UNASKED = Sentence(
    "erasures",
    "look",
    "{erasures} waiting for iDenfy, whose API cannot be asked: set IDENFY_API_KEY and IDENFY_API_SECRET",
    "standing erasures list{sandbox}",
)
AT_VENDOR = Sentence(
    "erasures", "ok", "{erasures} waiting for iDenfy to delete, the first since {since}", "standing erasures list{sandbox}"
)
TOO_LONG_AT_VENDOR = Sentence(
    "erasures",
    "look",
    "{erasures} waiting for iDenfy to delete, the first since {since}: ask iDenfy, and record that it deleted",
    "standing erasures list{sandbox}",
)
KEY = Sentence("INDEX_KEY", "ok", "from the {source}: keep a copy of it, and never replace it")
NO_KEY = Sentence("INDEX_KEY", "look", "missing: nothing can be erased")
WRONG_KEY = Sentence("INDEX_KEY", "wrong", "{problem}: no process starts")
FOR_EVER = Sentence("RETENTION", "look", "is not set: nothing is erased automatically")
RULES = Sentence("RETENTION", "ok", "{rules}")


def reading(found: gate.Gate) -> Iterator[Finding]:
    """Yield why nothing may be read, if so."""
    if found.fault:
        yield LEDGER(fault=found.fault)
    elif found.lacking:
        yield ERASED_AGAIN(erasures=many(found.lacking, "erasure"))


def ledger_of_this_host() -> Iterator[Finding]:
    """Yield whether this host can write the ledger, if it could erase something."""
    if config.settings().privacy.index_key and not ledger.is_writable():
        yield READ_ONLY(path=ledger.path())


def erasures(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield which erasures need a person."""
    found, sandbox = overview.of(connection, environment), " --sandbox" if environment == "sandbox" else ""
    if found.overdue:
        yield OVERDUE(erasures=many(found.overdue, "erasure"), sandbox=sandbox)
    if found.held:
        yield HELD(erasures=many(found.held, "erasure"), sandbox=sandbox)
    if found.without_credentials:
        yield UNASKED(erasures=many(found.without_credentials, "erasure"), sandbox=sandbox)
    if found.at_vendor and found.at_vendor_since:
        is_long = clock.now() - found.at_vendor_since > AT_VENDOR_MAX
        sentence = TOO_LONG_AT_VENDOR if is_long else AT_VENDOR
        yield sentence(erasures=many(found.at_vendor, "erasure"), since=clock.rfc3339(found.at_vendor_since), sandbox=sandbox)


def settings(environment: Environment) -> Iterator[Finding]:
    """Yield whether anything can be erased, and what is erased automatically."""
    privacy = config.settings().privacy
    yield KEY(source=environment.source("INDEX_KEY")) if privacy.index_key else NO_KEY()
    rules = ", ".join(f"{what}:{period}" for what, period in privacy.retention.items())
    yield RULES(rules=rules) if rules else FOR_EVER()


def key(connection: Connection) -> Iterator[Finding]:
    """Yield whether INDEX_KEY is the one that this database's digests were made with, if it is not."""
    try:
        index_key.prove(connection)
    except (NoIndexKey, WrongIndexKey) as wrong:
        yield WRONG_KEY(problem=str(wrong))
