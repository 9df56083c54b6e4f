"""What each call takes and answers with, by its endpoint: the tables from which the API's description is made."""

from __future__ import annotations

import msgspec

from receiver.api import applicants, changes, decisions, reactions, replays, review
from receiver.openapi import schemas
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
    "webhooks.receive": schemas.Received,
    "api.applicant": schemas.Applicant,
    "api.explanation": schemas.Explanation,
    "api.user": schemas.User,
    "api.event": schemas.Event,
    "api.replay": schemas.Accepted,
    "api.link": schemas.Linked,
    "decisions.decide": schemas.Decided,
    "decisions.confirm": schemas.Decided,
    "reactions.reaction": schemas.ReactionInFull,
    "reactions.run_reaction": schemas.ReactionInFull,
    "replays.replay": schemas.Replay,
    "replays.ask_for_replay": schemas.Replay,
    "replays.run_replay": schemas.Replay,
    "replays.cancel_replay": schemas.Replay,
    "health.healthz": schemas.Alive,
    "health.readyz": schemas.Ready,
}
PAGES: dict[str, type[msgspec.Struct]] = {
    "api.list_applicants": schemas.Applicant,
    "api.history": schemas.HistoryEntry,
    "api.list_events": schemas.Event,
    "changes.changes": schemas.Change,
    "oncall.review": schemas.Waiting,
    "oncall.reversals": schemas.Change,
    "oncall.acts": schemas.Act,
    "reactions.list_reactions": schemas.Reaction,
}
WHOLE_LISTS: dict[str, type[msgspec.Struct]] = {"oncall.failed": schemas.FailedGroup, "replays.list_replays": schemas.Replay}
TEXTS = {
    "api.body": "application/octet-stream",
    "changes.stream": "text/event-stream",
    "metrics.metrics": "text/plain",
    "openapi.openapi": "application/json",
}
