"""Documents on the command line: which file or address is which side of which document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, structs

from handlers.start.documents import VendorCarrier, from_disk
from handlers.start.uploads.incoming import NotTaken
from store.access.operators import Actor
from store.starts.relay.protocol import Order
from store.starts.wanted.person import Document, DocumentType, Side
from store.starts.wanted.problems import Problem


class Given(Struct, frozen=True, kw_only=True):
    """A document, and the file that holds its image; None: the vendor fetches it."""

    document: Document
    file: Path | None


AllGiven = Sequence[Given]


class DocumentParameter(click.ParamType[Given]):
    """`TYPE[:SIDE][:COUNTRY]=FILE`, or an https address in place of the file."""

    name = "document"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Given:
        if isinstance(value, Given):
            return value
        named, separator, place = str(value).partition("=")
        kind, *more = named.upper().split(":")
        sides = [word for word in more if word in set(Side)]
        countries = [word for word in more if word not in set(Side)]
        if not separator or not place or kind not in set(DocumentType) or len(sides) > 1 or len(countries) > 1:
            self.fail(f"give it as TYPE[:SIDE][:COUNTRY]=FILE, with a type of {', '.join(DocumentType)}", param, ctx)
        is_address = place.startswith("https://")
        if not is_address and not Path(place).is_file():
            self.fail("the file cannot be found", param, ctx)
        document = Document(
            type=DocumentType(kind),
            side=Side(sides[0]) if sides else None,
            country=countries[0] if countries else None,
            url=place if is_address else None,
        )
        return Given(document=document, file=None if is_address else Path(place))


def _with_parts(ctx: click.Context, param: click.Parameter, given: AllGiven) -> AllGiven:
    """Name the part of each image by its place: two pages of one document are two images."""
    return tuple(
        structs.replace(one, document=structs.replace(one.document, part=f"image {place}")) if one.file else one
        for place, one in enumerate(given)
    )


def document_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--document",
        type=DocumentParameter(),
        multiple=True,
        required=True,
        callback=_with_parts,
        help="TYPE[:SIDE][:COUNTRY]=FILE, such as ID_CARD:FRONT:KZ=front.jpg; for IFCGATE an address in place of the file.",
    )(command)


def refuse(wrong: Sequence[Problem]) -> None:
    """Raise ClickException that names each wrong field, if there is one."""
    if wrong:
        raise click.ClickException("; ".join(f"{one.field} {one.says}" for one in wrong))


def pass_on(request_id: str, given: AllGiven, *, by: Actor, reason: str | None = None) -> None:
    """Pass the images of files on to the vendor. Raises ClickException with the reason, and the verification's id."""
    order = Order(verification_id=request_id, actor=by.name, documents=[one.document for one in given], reason=reason)
    files = {one.document.part or "": one.file for one in given if one.file}
    carrier = VendorCarrier()
    try:
        carrier.lane(order)
        answer = carrier.carry(order, from_disk(files))
    except NotTaken as refusal:
        answer = refusal.answer
    except OSError as error:
        raise click.ClickException(f"an image cannot be read ({type(error).__name__}); the verification is {request_id}") from error
    if answer.status != 202:
        raise click.ClickException(f"{answer.detail} The verification is {request_id}: `standing start send` goes on with it.")
