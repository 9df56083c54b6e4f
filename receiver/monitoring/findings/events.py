"""What events and applicants need from a person: dead letters, unreadable events, doubts, fallen approvals, drift."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from receiver.monitoring.findings.sentence import Finding, Sentence, duration, many, option
from store import config
from store.operations import anomalies, lost_commits, reconciliations, review_queue
from store.system import clock

NO_DEAD_LETTER = Sentence("failed", "ok", "no dead letters")
DEAD_LETTERS = Sentence("failed", "look", "{letters} could not be handled", "standing failed list{sandbox}")
ALL_READABLE = Sentence("unreadable", "ok", "no unreadable events")
UNREADABLE = Sentence("unreadable", "look", "{events} cannot be read", "standing failed list --unreadable{sandbox}")
NO_DOUBT = Sentence("review", "ok", "no applicants in doubt")
DOUBT = Sentence("review", "look", "{applicants} in doubt", "standing review{sandbox}")
STILL = Sentence("in review", "look", "{applicants} without a word for {hours}", "standing applicants list --status in_review{sandbox}")
NONE_FELL = Sentence("reversals", "ok", "no approvals fell in the last day")
FELL = Sentence("reversals", "look", "{approvals} fell in the last day", "standing reversals{sandbox}")
LOST = Sentence(
    "database", "look", "it lost commits, as {processes} noticed {age} ago; acknowledged and gone: {deliveries}",
    'standing audit list --action "lost commits"',
)  # fmt: skip
ASKED = Sentence("{vendor} asked", "ok", "asked about {asked} in the last round, {drifted} drifted, {repaired} repaired")
DRIFTED = Sentence(
    "{vendor} asked", "look", "asked about {asked} in the last round, {drifted} drifted, {repaired} repaired",
    "standing reconcile {vendor} --all",
)  # fmt: skip
STOPPED = Sentence("{vendor} asked", "look", "the last round stopped: {why}", "standing reconcile {vendor} --all")


def events(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield the findings about events that need a person."""
    failed, unreadable = review_queue.unresolved(connection, environment=environment)
    sandbox = option(environment)
    yield DEAD_LETTERS(letters=many(failed, "dead letter"), sandbox=sandbox) if failed else NO_DEAD_LETTER()
    yield UNREADABLE(events=many(unreadable, "event"), sandbox=sandbox) if unreadable else ALL_READABLE()


def lost(connection: Connection) -> Iterator[Finding]:
    """Yield whether the database lost commits in the last day."""
    found = lost_commits.noticed(connection, within=anomalies.DAY)
    if found.last_at:
        yield LOST(
            processes=many(found.processes, "web process", "web processes"),
            age=duration((clock.now() - found.last_at).total_seconds()),
            deliveries=many(found.deliveries, "delivery", "deliveries"),
        )


def applicants(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield which applicants need a person."""
    sandbox = option(environment)
    doubtful = review_queue.doubtful(connection, environment=environment)
    yield DOUBT(applicants=many(doubtful, "applicant"), sandbox=sandbox) if doubtful else NO_DOUBT()
    longer_than = config.settings().review_max
    still = anomalies.stuck_in_review(connection, environment=environment, longer_than=longer_than)
    if still:
        yield STILL(applicants=many(still, "applicant"), hours=many(round(longer_than.total_seconds() / 3600), "hour"), sandbox=sandbox)
    fell = anomalies.adverse_reversals(connection, environment=environment, since=clock.now() - anomalies.DAY)
    yield FELL(approvals=many(fell, "approval"), sandbox=sandbox) if fell else NONE_FELL()


def rounds(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield what the last round of questions to each vendor found."""
    for row in reconciliations.runs(connection, environment):
        counts = {"vendor": row.vendor, "asked": row.asked, "drifted": row.drifted, "repaired": row.repaired}
        yield (DRIFTED if row.drifted > row.repaired else ASKED)(**counts)
        if row.said is not None:
            yield STOPPED(vendor=row.vendor, why=row.said)
