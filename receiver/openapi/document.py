"""GET /openapi.json: the API's description, built from the routes and from what each call holds (`receiver.web.call`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app
from msgspec import Struct
from werkzeug.routing import Rule

from receiver.openapi import feed_schemas, service_schemas
from receiver.openapi.headers import NOTIFIED, RECEIVED, SENT
from receiver.openapi.sent_webhooks import SENT_WEBHOOKS, SentWebhook
from receiver.web.auth import Right
from receiver.web.call import Call, ListOf, PageOf, Text, call, call_of

blueprint = Blueprint("openapi", __name__)

REFERENCE = "#/components/{}/{}"
SCHEMAS = "#/components/schemas/{name}"

SECURITY = (
    "The role that a call requires is the token's right. An operator may read, link and start, too, and has the right to request an "
    "erasure or a hold; a privacy officer has that right, and may read. METRICS_TOKENS have the right to watch."
)

ABOUT = (
    "The current status of every applicant. Each call may have a `traceparent` as W3C Trace Context writes it: its trace is continued. "
    "Without a valid one, each call begins a trace."
)

#: Headers of every answer.
ALWAYS = ("X-Request-Id", "traceparent")

PROBLEM = {"application/problem+json": {"schema": {"$ref": REFERENCE.format("schemas", "Problem")}}}


@blueprint.get("/openapi.json")
@call(right=Right.WATCH, query=None, answers=Text("application/json", {"type": "object"}))
def openapi() -> Response:
    """This description."""
    return Response(_described(), content_type="application/json")


@cache
def _described() -> bytes:
    """Return the description, built once in a process: its routes do not change."""
    return msgspec.json.encode(describe())


def describe() -> dict[str, Any]:
    """Return the description of every route of the current application."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in current_app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Standing", "version": version("standing"), "description": ABOUT},
        "servers": [{"url": "/", "description": "The service that gives this description."}],
        "paths": dict(sorted(paths.items())),
        "webhooks": {name: {"post": _webhook(sent)} for name, sent in SENT_WEBHOOKS.items()},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": SECURITY}},
            "headers": {name: {"required": True, "description": text, "schema": {"type": "string"}} for name, text in SENT.items()},
            "responses": _problems(),
            "schemas": _schemas([call_of(view) for view in current_app.view_functions.values()]),
        },
    }


def _operation(rule: Rule) -> dict[str, Any]:
    view = current_app.view_functions[rule.endpoint]
    made = call_of(view)
    said, _, more = (view.__doc__ or "").strip().partition("\n")
    needs = f"Needs a token with the right to {made.right}." if made.right else "Needs no token."
    named = [_parameter("path", name) for name in sorted(rule.arguments)]
    return {
        "operationId": view.__name__,
        "summary": said,
        "description": f"{' '.join(more.split()) or said} {needs}",
        "tags": [current_app.blueprints[rule.endpoint.partition(".")[0]].name],
        "parameters": named
        + _query_parameters(made)
        + [_parameter("header", name, RECEIVED[name], required=False) for name in made.request_headers],
        **_body(made),
        "responses": _responses(made, has_path=bool(named)),
        "security": _security(made),
    }


def _security(made: Call) -> list[dict[str, list[str]]]:
    """Return the security requirement. The right is the role that the token must have; an empty requirement makes the token optional."""
    if made.right is None:
        return [{}, {"bearer": [Right.READ]}, {"bearer": [Right.WATCH]}] if made.optional_token else []
    return [*([{}] if made.right == Right.WATCH else []), {"bearer": [made.right]}]


def _responses(made: Call, *, has_path: bool) -> dict[str, Any]:
    """Return the answers of a call, and its problems."""
    wrong = {400, 503, *made.other_statuses}
    wrong |= {401} if made.right else set()
    wrong |= {403} if made.right not in (None, Right.WATCH) else set()
    wrong |= {404} if has_path else set()
    wrong |= {408, 413} if made.body or made.takes_bytes else set()
    headers = _headers(*ALWAYS, *made.response_headers)
    answer = {"description": "It will be done." if made.status == 202 else "As asked.", "headers": headers, "content": _content(made)}
    answers: dict[str, Any] = {str(made.status): answer}
    answers |= {str(status): answer | {"description": text} for status, text in made.statuses_with_content.items()}
    if 304 in wrong:
        answers["304"] = {"description": "It is as the `ETag` in `If-None-Match` says.", "headers": headers}
    problems = {str(status): _problem(made, status) for status in sorted(wrong - {304, *made.statuses_with_content})}
    return answers | problems | {"default": _problem(made, 0)}


def _content(made: Call) -> dict[str, Any]:
    if isinstance(made.answers, Text):
        return {made.answers.media_type: {"schema": made.answers.schema}}
    name = _listed(made.answers) if isinstance(made.answers, ListOf) else made.answers.__name__
    return {"application/json": {"schema": _ref(name)}}


def _body(made: Call) -> dict[str, Any]:
    if made.takes_bytes:
        return {"requestBody": _json({}) | {"required": True}}
    if made.body is None:
        return {}
    required = any(field.required for field in msgspec.structs.fields(made.body))
    body = _json(_ref(made.body.__name__)) | {"required": required}
    if made.takes_uploads:
        body["content"]["multipart/form-data"] = _with_files(made.body.__name__)
    return {"requestBody": body}


def _with_files(name: str) -> dict[str, Any]:
    """Return the description of a body whose first part is JSON. Each other part is a file, by the name that the JSON gives it."""
    file = {"type": "string", "format": "binary", "description": "A file: JPEG, PNG or PDF."}
    schema = {"type": "object", "properties": {"request": _ref(name)}, "required": ["request"], "additionalProperties": file}
    return {"schema": schema, "encoding": {"request": {"contentType": "application/json"}}}


def _parameter(place: str, name: str, description: str = "", *, required: bool = True) -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {"name": name, "in": place, "required": required, **described, "schema": {"type": "string"}}


def _query_parameters(made: Call) -> list[dict[str, Any]]:
    if made.query is None:
        return []
    shape = _generated([made.query])[made.query.__name__]
    needed = shape.get("required", ())
    return [_query_parameter(name, schema) | {"required": name in needed} for name, schema in shape["properties"].items()]


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a parameter. A query holds texts: a parameter is left out where the struct holds None."""
    some = [one for one in schema.get("anyOf", [schema]) if one != {"type": "null"}]
    plain = {key: value for key, value in {**schema, **some[0]}.items() if key not in ("anyOf", "description")}
    if plain.get("default", "") is None:
        del plain["default"]
    return _parameter("query", name, schema.get("description", ""), required=False) | {"schema": plain}


def _schemas(calls: list[Call]) -> dict[str, Any]:
    """Return every named schema: answers, bodies, lists, and the enums of queries."""
    lists = {made.answers for made in calls if isinstance(made.answers, ListOf)}
    extra_fields = [one.extra_fields for one in lists if isinstance(one, PageOf)]
    sent = [one.body for one in SENT_WEBHOOKS.values()]
    shapes = [*map(_entry, calls), *extra_fields, *(made.body for made in calls), service_schemas.Problem, *sent]
    shapes += [one for some in feed_schemas.ONE_OF.values() for one in some]
    found = _generated(dict.fromkeys(shape for shape in shapes if shape))
    found |= {shape.__name__: _one_of(found[shape.__name__], some) for shape, some in feed_schemas.ONE_OF.items()}
    for made in calls:
        found |= {name: schema for name, schema in _generated([made.query] if made.query else []).items() if "enum" in schema}
    return dict(sorted((found | {_listed(one): _list_schema(one) for one in lists}).items()))


def _generated(shapes: Iterable[type[Struct]]) -> dict[str, Any]:
    _, found = msgspec.json.schema_components(list(shapes), ref_template=SCHEMAS)
    return {name: {"type": "string"} | schema if "enum" in schema else schema for name, schema in found.items()}


def _one_of(schema: dict[str, Any], some: Iterable[type[Struct]]) -> dict[str, Any]:
    named = {name: schema[name] for name in ("title", "description")}
    return named | {"oneOf": [_ref(one.__name__) for one in some]}


def _entry(made: Call) -> type[Struct] | None:
    return made.answers.entry if isinstance(made.answers, ListOf | Text) else made.answers


def _listed(answers: ListOf) -> str:
    if isinstance(answers, PageOf) and answers.extra_fields:
        return answers.extra_fields.__name__
    return answers.entry.__name__.removesuffix("Model") + ("Page" if isinstance(answers, PageOf) else "List")


def _list_schema(answers: ListOf) -> dict[str, Any]:
    properties: dict[str, Any] = {"data": {"type": "array", "items": _ref(answers.entry.__name__)}}
    if isinstance(answers, PageOf):
        following = {"type": ["string", "null"], "description": "Give it as `cursor` (the feed's as `after`) to go on."}
        properties |= {"next_cursor": following, "has_more": {"type": "boolean", "description": "Whether there is more now."}}
        properties |= _generated([answers.extra_fields])[answers.extra_fields.__name__]["properties"] if answers.extra_fields else {}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": SCHEMAS.format(name=name)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": REFERENCE.format("headers", name)} for name in names}


def _problem(made: Call, status: int) -> dict[str, str]:
    named = {401: "Unauthorized" if made.right else "Problem", 503: "Unavailable"}
    return {"$ref": REFERENCE.format("responses", named.get(status, "Problem"))}


def _problems() -> dict[str, Any]:
    """Return the problems that calls answer with, as RFC 9457 describes them."""
    further: dict[str, tuple[str, ...]] = {"Problem": (), "Unauthorized": ("WWW-Authenticate",), "Unavailable": ("Retry-After",)}
    text = "A problem, as RFC 9457 describes it."
    return {name: {"description": text, "headers": _headers(*ALWAYS, *more), "content": PROBLEM} for name, more in further.items()}


def _webhook(sent: SentWebhook) -> dict[str, Any]:
    return {
        "operationId": sent.operation,
        "summary": sent.summary,
        "description": sent.description,
        "tags": ["notifications"],
        "parameters": [
            *(_parameter("header", name, text) for name, text in NOTIFIED.items()),
            *(_parameter("header", name, text, required=False) for name, text in sent.more_headers.items()),
        ],
        "requestBody": _json(_ref(sent.body.__name__)) | {"required": True},
        "responses": {status: {"description": text} for status, text in sent.answers.items()},
        "security": [],
    }
