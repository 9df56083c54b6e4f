"""What a panel is, which alerts of deploy/alerts.yml panels are about, and the expressions that panels share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alert:
    """The part of docs/runbook.md that an alert leads to, and from which value on a panel is red."""

    runbook: str
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel: the expressions by their legends, the unit in Grafana's words, and the width in 24ths."""

    title: str
    queries: dict[str, str]
    says: str = ""
    unit: str = "short"
    alerts: tuple[str, ...] = ()
    kind: str = "timeseries"
    width: int = 8


DATABASE, WORKERS = "`database` cannot be written", "`workers` says that none is running"
BACKLOG = "`backlog` grows, or its oldest event waits"
LOG_FAULTS, SIGNED = "`log`: faults, late leaves, or a place without checkpoints", "`log`: nothing is signed any more"
STARTS, NOT_NOTIFIED = "`… starts`: verifications are refused, or wait", "`reactions`: downstream was not notified"
NO_ANSWER, REVIEW = "`reactions`: downstream does not answer", "`review`: applicants wait for a person"
UNREADABLE, REFUSED = "`unreadable`: the vendor sent what is not understood", "Many deliveries are refused (401)"

ALERTS = {
    "StandingDown": Alert("Runbook"),
    "StandingCannotWrite": Alert(DATABASE, below=1),
    "StandingLostCommits": Alert("`database` lost commits: after a failover", above=0),
    "StandingRefuses": Alert(DATABASE, above=0),
    "StandingAnswersLate": Alert("Answers to vendors are late", above=2),
    "StandingWithoutWorker": Alert(WORKERS, below=1),
    "StandingBehind": Alert(BACKLOG, above=60),
    "StandingVisibleLate": Alert(BACKLOG, above=30),
    "StandingSpools": Alert(DATABASE, above=0),
    "StandingWithoutQueue": Alert("`queue` is unavailable", below=1),
    "StandingDeadLetters": Alert("`failed`: there are dead letters", above=0),
    "StandingRefusesSignatures": Alert(REFUSED, above=0.2),
    "StandingVendorSilent": Alert("A vendor is silent", above=10),
    "StandingTooLarge": Alert(REFUSED, above=0),
    "StandingNotUnderstood": Alert(REVIEW, above=0),
    "StandingNewEventTypes": Alert(UNREADABLE, above=0),
    "StandingInReviewTooLong": Alert("Is that what the vendor says?", above=0),
    "StandingSecretUnused": Alert("Rotating a vendor's secret", above=7 * 86400),
    "StandingReactionsGaveUp": Alert(NOT_NOTIFIED),
    "StandingReactionsLate": Alert(NO_ANSWER, above=300),
    "StandingReversalsNotNotified": Alert(NO_ANSWER, above=0),
    "StandingEventsFail": Alert("`retries`: events fail, and are tried again"),
    "StandingErasureOverdue": Alert("`erasures`: one is past its deadline"),
    "StandingReadsBlocked": Alert("`ledger`: nothing is read after a restore", above=0),
    "StandingStartsLate": Alert(STARTS, above=900),
    "StandingStartsRefused": Alert(STARTS),
    "StandingLogBehind": Alert(LOG_FAULTS, above=60),
    "StandingLogUnsigned": Alert(SIGNED, above=60),
    "StandingLogStopped": Alert(SIGNED, above=0),
    "StandingLogFaults": Alert(LOG_FAULTS, above=0),
    "StandingLogNotVerified": Alert(LOG_FAULTS, above=2 * 86400),
    "StandingLogNotPublished": Alert(LOG_FAULTS, above=900),
}

#: The filters that the variables of a dashboard make.
VENDOR, ENVIRONMENT = 'vendor=~"$vendor"', 'environment=~"$environment"'
BOTH, RATE = f"{VENDOR},{ENVIRONMENT}", "[$__rate_interval]"

DELIVERIES = f'rate(standing_deliveries_total{{{VENDOR},answer=~"%s"}}{RATE})'
#: The processes of a host report their host's answers: they are added up. All report the same times to visible, from the database.
ANSWERED = f'rate(standing_acknowledgement_seconds_bucket{{{VENDOR},status!="4xx"}}{RATE})'
VISIBLE = f"rate(standing_time_to_visible_seconds_bucket{{{BOTH}}}{RATE})"


def answered_within(share, by="vendor, le"):
    return f"histogram_quantile({share}, sum by ({by}) ({ANSWERED}))"


def visible_within(share):
    return f"histogram_quantile({share}, max by (vendor, environment, le) ({VISIBLE}))"
