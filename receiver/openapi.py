"""GET /openapi.json: the API's description, made from the routes themselves."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app

from receiver import access, api, calls, changes, config, decisions, oncall, reactions, replays, shapes

blueprint = Blueprint("openapi", __name__)

#: The query that each call takes.
QUERIES: dict[str, type[msgspec.Struct]] = {
    "api.applicant": api.ApplicantQuery,
    "api.explanation": calls.One,
    "api.list_applicants": api.ApplicantsQuery,
    "api.history": calls.Page,
    "api.user": calls.One,
    "changes.changes": changes.ChangesQuery,
    "changes.stream": changes.StreamQuery,
    "api.list_events": api.EventsQuery,
    "api.link": calls.One,
    "decisions.decide": calls.One,
    "oncall.review": calls.Page,
    "oncall.reversals": oncall.ReversalsQuery,
    "oncall.failed": calls.One,
    "oncall.acts": oncall.AuditQuery,
    "reactions.list_reactions": reactions.ReactionsQuery,
    "replays.list_replays": replays.ReplaysQuery,
}

#: Calls that need no bearer token.
OPEN = ("webhooks.receive", "health.healthz", "health.readyz", "metrics.metrics", "openapi.openapi")

#: The body that each call takes.
BODIES: dict[str, type[msgspec.Struct]] = {
    "api.link": api.Link,
    "decisions.decide": decisions.DecisionRequest,
    "replays.ask_for_replay": replays.ReplayRequest,
    "replays.run_replay": replays.RunRequest,
}

PROBLEM = {
    "description": "A problem, as RFC 9457 describes it.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

#: What can go wrong, beside what the server itself may answer.
BAD_REQUEST, NO_RIGHT, UNKNOWN, CONFLICT, AWAY = "400", ("401", "403"), "404", "409", "503"
CONFLICTS = ("api.body", "decisions.confirm", "reactions.run_reaction", "replays.run_replay", "replays.cancel_replay")

#: Calls that answer 202: it will be done.
LATER = ("api.replay", "decisions.decide", "decisions.confirm", "replays.ask_for_replay", "replays.run_replay", "reactions.run_reaction")

SECURITY = "Tokens are given to readers, linkers and operators; an operator may read, too."


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """This description."""
    access.require_one_of(config.settings().metrics_tokens)
    return calls.answer(describe())


def describe() -> dict[str, Any]:
    """The description of every route of the application at hand."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in current_app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule.endpoint, sorted(rule.arguments))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Standing", "version": version("standing"), "description": "Where every applicant stands."},
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": SECURITY}},
            "schemas": shapes.components(),
        },
    }


def _operation(endpoint: str, arguments: list[str]) -> dict[str, Any]:
    view = current_app.view_functions[endpoint]
    said, _, more = (view.__doc__ or "").strip().partition("\n")
    body = {"requestBody": _body(BODIES[endpoint])} if endpoint in BODIES else {}
    needed = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in arguments]
    return {
        "operationId": endpoint.partition(".")[2],
        "summary": said,
        "description": " ".join(more.split()) or said,
        "tags": [endpoint.partition(".")[0]],
        "parameters": needed + _query_parameters(QUERIES.get(endpoint)),
        **body,
        "responses": _responses(endpoint, has_path=bool(arguments)),
        "security": [] if endpoint in OPEN else [{"bearer": []}],
    }


def _responses(endpoint: str, *, has_path: bool) -> dict[str, Any]:
    """What a call answers with, and what can go wrong with it."""
    wrong = [BAD_REQUEST, AWAY]
    wrong += NO_RIGHT if endpoint not in OPEN else ["401"] if endpoint in ("webhooks.receive", "metrics.metrics", "openapi.openapi") else []
    wrong += [UNKNOWN] if has_path else []
    wrong += [CONFLICT] if endpoint in CONFLICTS else []
    wrong += ["413"] if endpoint == "webhooks.receive" or endpoint in BODIES else []
    answer = {"description": "It will be done." if endpoint in LATER else "As asked.", "content": shapes.answer_of(endpoint)}
    found: dict[str, Any] = {"202" if endpoint in LATER else "200": answer}
    if endpoint == "api.applicant":
        found["304"] = {"description": "It is as the `ETag` in `If-None-Match` says."}
    if endpoint == "health.readyz":
        return found | {"503": {"description": "A delivery could not be kept.", "content": shapes.answer_of(endpoint)}, "default": PROBLEM}
    return found | dict.fromkeys(sorted(wrong), PROBLEM) | {"default": PROBLEM}


def _body(shape: type[msgspec.Struct]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
    enums = {name: schema for name, schema in components.items() if "enum" in schema}
    schema = components[shape.__name__]
    return {"required": bool(schema.get("required")), "content": {"application/json": {"schema": _inline(schema, enums)}}}


def _query_parameters(shape: type[msgspec.Struct] | None) -> list[dict[str, Any]]:
    if shape is None:
        return []
    _, components = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
    properties = components[shape.__name__]["properties"]
    enums = {name: schema for name, schema in components.items() if "enum" in schema}
    return [{"name": name, "in": "query", "required": False, "schema": _inline(schema, enums)} for name, schema in properties.items()]


def _inline(schema: Any, enums: dict[str, Any]) -> Any:
    """A schema with the enums that it refers to written out."""
    if isinstance(schema, list):
        return [_inline(part, enums) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"type": "string", "enum": enums[schema["$ref"].rpartition("/")[2]]["enum"]}
    return {key: _inline(part, enums) for key, part in schema.items()}
