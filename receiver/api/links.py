"""PUT /v1/links: the user of a case, for a vendor whose events name no user."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection

from receiver.openapi import schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right, TooSmallRight
from receiver.web.call import call
from receiver.web.problems import Problem
from receiver.web.queries import One
from store.applicants import links, visibility
from store.applicants.links import NeedsOperator
from store.text.names import NAME_CHARS_MAX, is_name

blueprint = Blueprint("api", __name__, url_prefix="/v1")


class LinkRequest(msgspec.Struct):
    external_user_id: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, description="Your own id of the person.")]


@blueprint.put("/links/ifcgate/<name:case_id>")
@call(right=Right.LINK, query=One, body=LinkRequest, answers=schemas.Linked, other_statuses=(410,), writes=True)
def link_case(connection: Connection, case_id: str, caller: Caller, query: One, body: LinkRequest) -> dict[str, str]:
    """Link a case to a user, before or after its events. Only an operator may move a case that has a verdict to another user."""
    user = body.external_user_id
    if not is_name(user):
        raise Problem(400, "Invalid value for 'external_user_id' in the body.")
    key = queries.key("ifcgate", query.environment, case_id)
    visibility.refuse_erased(connection, key)
    try:
        links.link(connection, key, external_user_id=user, by=caller.name, may_move=caller.right == Right.OPERATE)
    except NeedsOperator as error:
        raise TooSmallRight("This case has a verdict and belongs to another user: moving it needs an operator's token.") from error
    return key._asdict() | {"external_user_id": user}
