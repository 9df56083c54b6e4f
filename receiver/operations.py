"""What each call takes and answers with, by its endpoint: the tables from which the API's description is made."""

from __future__ import annotations

import msgspec

from receiver import shapes
from receiver.api import applicants, changes, decisions, reactions, replays, review
from receiver.web import queries

#: The query that each call takes.
QUERIES: dict[str, type[msgspec.Struct]] = {
    "api.applicant": applicants.ApplicantQuery,
    "api.explanation": queries.One,
    "api.list_applicants": applicants.ApplicantsQuery,
    "api.history": queries.Page,
    "api.user": queries.One,
    "changes.changes": changes.ChangesQuery,
    "changes.stream": changes.StreamQuery,
    "api.list_events": applicants.EventsQuery,
    "api.link": queries.One,
    "decisions.decide": queries.One,
    "oncall.review": queries.Page,
    "oncall.reversals": review.ReversalsQuery,
    "oncall.failed": queries.One,
    "oncall.acts": review.AuditQuery,
    "reactions.list_reactions": reactions.ReactionsQuery,
    "replays.list_replays": replays.ReplaysQuery,
}

#: Calls that need no bearer token.
OPEN = ("webhooks.receive", "health.healthz", "health.readyz", "metrics.metrics", "openapi.openapi")

#: The body that each call takes.
BODIES: dict[str, type[msgspec.Struct]] = {
    "api.link": applicants.Link,
    "decisions.decide": decisions.DecisionRequest,
    "replays.ask_for_replay": replays.ReplayRequest,
    "replays.run_replay": replays.RunRequest,
}

#: Calls that answer 202: it will be done.
LATER = ("api.replay", "decisions.decide", "decisions.confirm", "replays.ask_for_replay", "replays.run_replay", "reactions.run_reaction")

#: Calls that may be refused as things stand (409).
CONFLICTS = ("api.body", "decisions.confirm", "reactions.run_reaction", "replays.run_replay", "replays.cancel_replay")

#: What each call answers with: a shape, a list of it (a page, or whole), or text of a kind of its own.
ANSWERS: dict[str, type[msgspec.Struct]] = {
    "webhooks.receive": shapes.Received,
    "api.applicant": shapes.Applicant,
    "api.explanation": shapes.Explanation,
    "api.user": shapes.User,
    "api.event": shapes.Event,
    "api.replay": shapes.Accepted,
    "api.link": shapes.Linked,
    "decisions.decide": shapes.Decided,
    "decisions.confirm": shapes.Decided,
    "reactions.reaction": shapes.ReactionInFull,
    "reactions.run_reaction": shapes.ReactionInFull,
    "replays.replay": shapes.Replay,
    "replays.ask_for_replay": shapes.Replay,
    "replays.run_replay": shapes.Replay,
    "replays.cancel_replay": shapes.Replay,
    "health.healthz": shapes.Alive,
    "health.readyz": shapes.Ready,
}
PAGES: dict[str, type[msgspec.Struct]] = {
    "api.list_applicants": shapes.Applicant,
    "api.history": shapes.HistoryEntry,
    "api.list_events": shapes.Event,
    "changes.changes": shapes.Change,
    "oncall.review": shapes.Waiting,
    "oncall.reversals": shapes.Change,
    "oncall.acts": shapes.Act,
    "reactions.list_reactions": shapes.Reaction,
}
WHOLE_LISTS: dict[str, type[msgspec.Struct]] = {"oncall.failed": shapes.FailedGroup, "replays.list_replays": shapes.Replay}
TEXTS = {
    "api.body": "application/octet-stream",
    "changes.stream": "text/event-stream",
    "metrics.metrics": "text/plain",
    "openapi.openapi": "application/json",
}
