"""Schemas of answers about the log: its state, and its leaves."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from receiver.openapi.overview_schemas import StatusLine
from receiver.openapi.schemas import ApiModel, Time
from store.proof.kinds import LeafKind

LeafTime = Annotated[
    str,
    Meta(
        description="When it was appended, as it is hashed: RFC 3339 in UTC, with six digits of the second's fraction.",
        examples=["2026-03-30T03:00:00.321000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]


class LogLeaf(ApiModel):
    """A leaf of the log. Hashed are the byte 0 and the line `<version> <kind> <at> <commitment>` with its newline (RFC 6962)."""

    number: Annotated[int, Meta(ge=0, description="Its place in the tree, from 0.")]
    version: Literal[1]
    kind: Annotated[LeafKind, Meta(description="What it is about.")]
    at: LeafTime
    commitment: Annotated[str, Meta(description="Base64 of 32 bytes. Nothing can be read from it without its salt.")]


class LogPublication(ApiModel):
    """A place of LOG_PUBLISH, where checkpoints are published."""

    place: Annotated[str, Meta(description="The place, without what is secret in it.", examples=["https://auditor.example/checkpoints"])]
    epoch: Annotated[int | None, Meta(description="The epoch of the checkpoint that was published there last. Null: none was.")]
    size: Annotated[int | None, Meta(description="How many leaves it has.")]
    published_at: Annotated[Time | None, Meta(description="When it was published there.")]
    failed_at: Annotated[Time | None, Meta(description="When the last attempt failed. Null: it did not.")]
    error: Annotated[str | None, Meta(description="Why it failed.")]


class LogState(ApiModel):
    """The state of the log."""

    origin: Annotated[str | None, Meta(description="The name of the log, with its epoch. Null: nothing was signed.", examples=["kyc-1/1"])]
    size: Annotated[int, Meta(ge=0, description="How many leaves there are.")]
    last_at: Annotated[Time | None, Meta(description="When the last leaf was appended.")]
    unlogged: Annotated[int, Meta(ge=0, description="How many rows have no leaf yet; at most 10,000 of a kind are counted.")]
    signed_size: Annotated[int, Meta(ge=0, description="How many leaves the newest checkpoint has.")]
    signed_at: Annotated[Time | None, Meta(description="When the newest checkpoint was signed.")]
    stopped_because: Annotated[str | None, Meta(description="Why nothing is signed. Null: it is signed.")]
    stopped_for_good: Annotated[bool, Meta(description="Whether nothing is signed until somebody begins a new epoch.")]
    verified_size: Annotated[int, Meta(ge=0, description="Up to which leaf rows were compared with the log, each when it was new.")]
    verified_at: Annotated[Time | None, Meta(description="When what was new was compared last.")]
    faults: Annotated[int, Meta(ge=0, description="How many faults were found, then or by `standing log verify`, which compares all rows.")]
    publications: Annotated[list[LogPublication], Meta(description="Where checkpoints are published, and when that was done last.")]
    findings: Annotated[list[StatusLine], Meta(description="What `GET /v1/status` says of it, and of those places.")]
