"""The panels about vendors: what arrives, what is refused, and what is missing."""

from panels import BOTH, DELIVERIES, RATE, VENDOR, Panel, answered_within

PANELS = [
    Panel(
        title="Deliveries kept",
        says="Authentic deliveries that were answered 200, duplicates among them.",
        unit="reqps",
        width=12,
        queries={"{{vendor}} {{answer}}": f"sum by (vendor, answer) ({DELIVERIES % 'accepted|duplicate|spooled'})"},
    ),
    Panel(
        title="Deliveries answered 503",
        says="They could not be kept. Vendors send them again for minutes or hours.",
        unit="reqps",
        alerts=("StandingRefuses",),
        width=12,
        queries={"{{vendor}}": f"sum by (vendor) ({DELIVERIES % 'unavailable'})"},
    ),
    Panel(
        title="Deliveries missing",
        says="How many would usually have come since the last one.",
        alerts=("StandingVendorSilent",),
        queries={"{{vendor}}": f"max by (vendor) (standing_missing_deliveries{{{VENDOR}}})"},
    ),
    Panel(
        title="Time since the last delivery",
        says="Of live, authentic deliveries.",
        unit="s",
        queries={"{{vendor}}": f"time() - max by (vendor) (standing_last_delivery_timestamp_seconds{{{VENDOR}}})"},
    ),
    Panel(
        title="Share of refused signatures",
        says="Forged or stale. An attack, or a secret was changed on one side alone.",
        unit="percentunit",
        alerts=("StandingRefusesSignatures",),
        queries={
            "{{vendor}}": f"sum by (vendor) ({DELIVERIES % 'forged|stale'})"
            f' / sum by (vendor) (rate(standing_deliveries_total{{{VENDOR},answer!="forged_sandbox"}}{RATE}))'
        },
    ),
    Panel(
        title="Answers, the slowest in 100",
        says="From the first byte to the end of the answer. The sender's own pace is part of it.",
        unit="s",
        alerts=("StandingAnswersLate",),
        queries={"{{vendor}}": answered_within(0.99)},
    ),
    Panel(
        title="Time since a secret matched",
        says="Each secret by itself where METRICS_TOKENS is set. One that never matched is not shown.",
        unit="s",
        alerts=("StandingSecretUnused",),
        queries={
            "{{vendor}} {{environment}} {{secret}}": "time() - (max by (vendor, environment, secret)"
            f" (standing_secret_last_match_timestamp_seconds{{{BOTH}}}) > 0)"
        },
    ),
    Panel(
        title="Bodies larger than MAX_BODY_BYTES, in an hour",
        alerts=("StandingTooLarge",),
        queries={"{{vendor}}": f'sum by (vendor) (increase(standing_deliveries_total{{{VENDOR},answer="too_large"}}[1h]))'},
    ),
    Panel(
        title="Approvals not understood, in a day",
        says="The vendor changed its format, or has a word that is unknown here. They count as needs_review.",
        alerts=("StandingNotUnderstood",),
        queries={"{{vendor}}": f"max by (vendor) (standing_approvals_not_understood_last_day{{{VENDOR}}})"},
    ),
    Panel(
        title="Events of an unknown type, in a week",
        alerts=("StandingNewEventTypes",),
        queries={"{{vendor}}": f"max by (vendor) (standing_unknown_event_types_last_week{{{VENDOR}}})"},
    ),
    Panel(
        title="Oldest verification to be started",
        says="How long ago the oldest live one was asked for whose next step is to be done here.",
        unit="s",
        alerts=("StandingStartsLate",),
        queries={"{{vendor}}": f"max by (vendor) (standing_oldest_verification_age_seconds{{{VENDOR}}})"},
    ),
    Panel(
        title="Verifications to be started, and given up",
        says="contract: money, the contract or the credentials; each further verification is refused, too.",
        alerts=("StandingStartsRefused",),
        queries={
            "{{vendor}} waiting": f"max by (vendor) (standing_verifications_waiting{{{VENDOR}}})",
            "{{vendor}} given up: {{kind}}": f"max by (vendor, kind) (standing_verifications_failed{{{VENDOR}}}) > 0",
        },
    ),
]
