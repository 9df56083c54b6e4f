"""The data subject and the caller of a request about personal data, and the answer to one that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Row

from receiver.web import queries
from receiver.web.problems import Problem, sentence
from receiver.web.queries import Page
from store.access.digests import NoIndexKey
from store.privacy.acts import DataSubject
from store.privacy.errors import NotPossible, Refused, SamePerson, UnknownToUs
from store.system import clock
from store.text.names import EVENT_ID, is_name
from store.text.states import VendorEnvironment

Environment = Annotated[VendorEnvironment | None, Meta(description="Which of the vendor's environments. Default: live.")]

#: The id of an erasure or a hold, in a cursor.
EntryId = Annotated[str, Meta(max_length=36, pattern=f"^{EVENT_ID.pattern}$")]

#: A time in a body is of these years: nothing that is kept or promised lies beyond.
YEAR_MIN, YEARS_AHEAD_MAX = 1900, 100

#: The status of each refusal.
STATUSES: dict[type[Refused], int] = {NotPossible: 409, SamePerson: 403, UnknownToUs: 404}


class InEnvironment(msgspec.Struct, forbid_unknown_fields=True):
    """A query that may say in which environment, where the body does not."""

    environment: Environment = None


#: What is named by its id is found in any environment, unless one is named.
AnyEnvironment = Annotated[VendorEnvironment | None, Meta(description="Which of the vendor's environments. Default: any.")]


class InAnyEnvironment(msgspec.Struct, forbid_unknown_fields=True):
    """A query that may say in which environment alone."""

    environment: AnyEnvironment = None


class AboutQuery(Page, forbid_unknown_fields=True):
    """A query about a list of what names users, or single applicants."""

    external_user_id: Annotated[queries.StoredName | None, Meta(description="What names this user: your own id.")] = None
    vendor: Annotated[queries.StoredName | None, Meta(description="What names an applicant of this vendor.")] = None
    reference: Annotated[queries.StoredName | None, Meta(description="What names an applicant of this reference.")] = None


def about(query: AboutQuery) -> dict[str, str]:
    """Return the user, the vendor and the reference that a query of a list names, by the names of the columns."""
    given = {"external_user_id": query.external_user_id, "vendor": query.vendor, "reference": query.reference}
    return {name: value for name, value in given.items() if value is not None}


class Subject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A user, or one applicant of a vendor."""

    external_user_id: Annotated[queries.StoredName | None, Meta(description="A user, with all their applicants: your own id.")] = None
    vendor: Annotated[queries.StoredName | None, Meta(description="With `reference`: one applicant.")] = None
    reference: Annotated[queries.StoredName | None, Meta(description="With `vendor`.")] = None
    environment: Environment = None


def data_subject(body: Subject, query: InEnvironment) -> DataSubject:
    """Return the data subject that a body names. Raises a problem unless it names either a user or one applicant."""
    names = (body.external_user_id, body.vendor, body.reference)
    if [name is not None for name in names] not in ([True, False, False], [False, True, True]):
        raise Problem(400, "The body must name a user by external_user_id, or one applicant by vendor and reference.")
    if not all(is_name(name) for name in names if name is not None):
        raise Problem(400, "The body has a name that is blank, or cannot be stored.")
    named = {"external_user_id": body.external_user_id, "vendor": body.vendor, "reference": body.reference}
    return DataSubject(environment=environment(body.environment, query), **named)


def environment(named: VendorEnvironment | None, query: InEnvironment) -> VendorEnvironment:
    """Return the environment that the body or the query names. Raises a problem if they name two."""
    return any_environment(named, query) or VendorEnvironment.LIVE


def any_environment(named: VendorEnvironment | None, query: InEnvironment | InAnyEnvironment) -> VendorEnvironment | None:
    """Return the environment that the body or the query names, if one does. Raises a problem if they name two."""
    if named and query.environment and named != query.environment:
        raise queries.wrong("environment")
    return named or query.environment


def check_environment(row: Row[Any], named: VendorEnvironment | None) -> None:
    """Check that an erasure or a hold is of the environment that was named, if one was. Raises UnknownToUs."""
    if named and row.environment != named:
        raise UnknownToUs(f"nothing of the {named} environment has this id")


def moment(name: str, given: datetime | None) -> datetime | None:
    """Return a time that a body names, in UTC. Raises a problem for one that no caller can mean."""
    if given is None:
        return None
    if not YEAR_MIN < given.year < clock.now().year + YEARS_AHEAD_MAX:
        raise Problem(400, f"Invalid value for '{name}' in the body.")
    return given.astimezone(UTC)


def user(external_user_id: str) -> str:
    """Return a user's id from a path. Raises a problem where no user can have it."""
    if not is_name(external_user_id):
        raise Problem(404, "No user can have this id.")
    return external_user_id


def known(made_id: str) -> str:
    """Return the id of an erasure or a hold. Raises UnknownToUs where nothing can have it."""
    if not EVENT_ID.fullmatch(made_id):
        raise UnknownToUs("nothing has this id")
    return made_id


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a request is refused for into its problem."""
    try:
        yield
    except Refused as error:
        raise Problem(STATUSES[type(error)], sentence(error)) from error
    except NoIndexKey as error:
        raise Problem(409, f"Nothing can be erased: {error}.") from error
