"""The panels about the machine: database, queue, processes, latencies, spool and log."""

from panels import ANSWERED, RATE, VISIBLE, Panel, answered_within

PANELS = [
    Panel(
        title="Database can be written",
        says="Without data, no web process answers.",
        kind="stat",
        width=6,
        alerts=("StandingCannotWrite", "StandingDown"),
        queries={"writable": "min(standing_database_writable)"},
    ),
    Panel(
        title="Queue can be reached",
        says="Without it events are handled within seconds all the same.",
        kind="stat",
        width=6,
        alerts=("StandingWithoutBell",),
        queries={"up": "min(standing_queue_up)"},
    ),
    Panel(title="Workers", kind="stat", width=6, alerts=("StandingWithoutWorker",), queries={"workers": "max(standing_workers)"}),
    Panel(title="Web processes", kind="stat", width=6, queries={"processes": "max(standing_web_processes)"}),
    Panel(
        title="Answers by their time",
        says="Deliveries answered 2xx or 5xx, of all vendors.",
        kind="heatmap",
        width=12,
        queries={"{{le}}": f"sum by (le) ({ANSWERED.replace('rate(', 'increase(')})"},
    ),
    Panel(
        title="Answers, by share",
        says="Of all vendors. 2 s is the longest that is promised.",
        unit="s",
        width=12,
        alerts=("StandingAnswersLate",),
        queries={f"p{share * 100:g}": answered_within(share, by="le") for share in (0.99, 0.9, 0.5)},
    ),
    Panel(
        title="Events by their time to visible",
        kind="heatmap",
        width=12,
        queries={"{{le}}": f"sum by (le) (max by (vendor, environment, le) ({VISIBLE.replace('rate(', 'increase(')}))"},
    ),
    Panel(
        title="Oldest pending event",
        unit="s",
        width=12,
        alerts=("StandingBehind",),
        queries={"age": "max(standing_oldest_pending_age_seconds)"},
    ),
    Panel(
        title="Events pending",
        says="And how many of them failed at least once.",
        alerts=("StandingEventsFail",),
        queries={"failed once": "max(standing_events_retried)", "pending": "max(standing_events_pending)"},
    ),
    Panel(
        title="Bytes in the spool",
        says="What waits on a host for the database. Its disk must not be lost meanwhile.",
        unit="bytes",
        alerts=("StandingSpools",),
        queries={"{{instance}}": "max by (instance) (standing_spool_bytes)"},
    ),
    Panel(
        title="Requests that the HTTP server refused",
        unit="reqps",
        queries={"{{cause}}": f"sum by (cause) (rate(standing_refused_requests_total{RATE}))"},
    ),
    Panel(
        title="Leaves of the log",
        queries={"leaves": "max(standing_log_leaves)", "signed": "max(standing_log_signed_leaves)"},
    ),
    Panel(
        title="Waiting for a leaf, or for the signature",
        unit="s",
        alerts=("StandingLogBehind", "StandingLogUnsigned"),
        queries={"without a leaf": "max(standing_log_unlogged_age_seconds)", "not signed": "max(standing_log_unsigned_age_seconds)"},
    ),
    Panel(
        title="Places without a checkpoint",
        says="For how long each should have had one that it lacks.",
        unit="s",
        alerts=("StandingLogNotPublished",),
        queries={"{{place}}": "max by (place) (standing_log_publication_late_seconds)"},
    ),
    Panel(
        title="Log stopped",
        says="1: the tree does not extend what was signed.",
        kind="stat",
        alerts=("StandingLogStopped",),
        queries={"stopped": "max(standing_log_stopped)"},
    ),
    Panel(
        title="Rows that are not as they were logged",
        kind="stat",
        alerts=("StandingLogFaults",),
        queries={"faults": "max(standing_log_faults)"},
    ),
    Panel(
        title="Time since what is new was compared with the log",
        kind="stat",
        unit="s",
        alerts=("StandingLogNotVerified",),
        queries={"age": "max(standing_log_unverified_age_seconds)"},
    ),
]
