"""The panels about states: verdicts, reversals, who is notified, and who waits."""

from panels import BOTH, Panel, visible_within

PANELS = [
    Panel(
        title="Verdicts and other ends, in an hour",
        says="Changes, by the status that the applicant got.",
        width=12,
        queries={"{{status}}": f"sum by (status) (max by (vendor, environment, status) (increase(standing_changes_total{{{BOTH}}}[1h])))"},
    ),
    Panel(
        title="Reversals, in an hour",
        says="adverse: an approval fell. reinstated: a person is approved again.",
        width=12,
        queries={
            "{{reversal}}": f"sum by (reversal) (max by (vendor, environment, reversal) (increase(standing_reversals_total{{{BOTH}}}[1h])))"
        },
    ),
    Panel(
        title="Approvals that fell, in a day",
        says="Live ones. `standing reversals` lists them.",
        kind="stat",
        width=6,
        queries={"approvals": "max(standing_adverse_reversals_last_day)"},
    ),
    Panel(
        title="Applicants in review too long",
        says="Without an event for longer than REVIEW_HOURS_MAX.",
        kind="stat",
        width=6,
        alerts=("StandingInReviewTooLong",),
        queries={"applicants": "max(standing_applicants_in_review_too_long)"},
    ),
    Panel(
        title="Dead letters",
        says="Events that failed at every attempt.",
        kind="stat",
        width=6,
        alerts=("StandingDeadLetters",),
        queries={"events": "max(standing_events_failed)"},
    ),
    Panel(
        title="Reads blocked",
        says="1: nothing is shown or handled, because of the ledger of erasures.",
        kind="stat",
        width=6,
        alerts=("StandingReadsBlocked",),
        queries={"blocked": "max(standing_reads_blocked)"},
    ),
    Panel(
        title="Time to visible, median and the slowest in 100",
        says="From the receipt of an event to the commit that settled it.",
        unit="s",
        width=12,
        alerts=("StandingVisibleLate",),
        queries={"{{vendor}} {{environment}} p99": visible_within(0.99), "{{vendor}} {{environment}} p50": visible_within(0.5)},
    ),
    Panel(
        title="Erasures that are not done",
        says="overdue: past the deadline, and neither refused nor done.",
        width=12,
        alerts=("StandingErasureOverdue",),
        queries={"{{state}}": "max by (state) (standing_erasures)"},
    ),
    Panel(
        title="Oldest reaction",
        says="How late a subscriber is notified.",
        unit="s",
        alerts=("StandingReactionsLate",),
        queries={"{{subscriber}}": "max by (subscriber) (standing_oldest_reaction_age_seconds)"},
    ),
    Panel(
        title="Reversals that a subscriber does not know",
        says="Pending reactions about an approval that fell.",
        alerts=("StandingReversalsNotNotified",),
        queries={"{{subscriber}}": "max by (subscriber) (standing_adverse_reactions_pending)"},
    ),
    Panel(
        title="Reactions pending, tried, given up",
        alerts=("StandingReactionsGaveUp",),
        queries={
            "{{subscriber}} given up": "max by (subscriber) (standing_reactions_failed)",
            "{{subscriber}} tried": "max by (subscriber) (standing_reactions_refused)",
            "{{subscriber}} pending": "max by (subscriber) (standing_reactions_pending)",
        },
    ),
]
