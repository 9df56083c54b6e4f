"""IDnGO's applicants, played: created, looked up, read, and their fixedInfo changed."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any

from receiver.simulator.played.exchange import Request
from receiver.simulator.played.idngo.errors import refused
from receiver.simulator.played.records import Played, Standing

USER_CHARS_MAX = 512

#: What a field of fixedInfo must look like. Countries are alpha-3.
FIXED_INFO = {
    "country": "[A-Z]{3}",
    "nationality": "[A-Z]{3}",
    "countryOfBirth": "[A-Z]{3}",
    "gender": "[MF]",
    "dob": r"\d{4}-\d{2}-\d{2}",
}

#: They belong beside fixedInfo.
NOT_IN_FIXED_INFO = ("email", "phone", "fixedInfo")


def create(request: Request, played: Played) -> dict[str, Any]:
    """Create an applicant. Without an externalUserId the platform makes one."""
    level, body = request.query.get("levelName"), request.json()
    if not level or body is None:
        raise refused(400, "levelName and a JSON body are required")
    user = body.get("externalUserId") or f"preview-random-{secrets.token_hex(6)}"
    if not isinstance(user, str) or len(user) > USER_CHARS_MAX:
        raise refused(400, f"externalUserId has at most {USER_CHARS_MAX} characters")
    if (known := played.of_user(user)) is not None:
        raise refused(409, f"Applicant with external user id '{user}' already exists: {known}")
    says: dict[str, Any] = {name: body[name] for name in ("email", "phone", "lang", "metadata") if name in body}
    if "fixedInfo" in body:
        says["fixedInfo"] = _checked(body["fixedInfo"])
    reference = secrets.token_hex(12)
    played.create(reference, user=user, status="init", level=level, says=says)
    return one(reference, played)


def existence(user: str, played: Played) -> dict[str, Any]:
    reference = played.of_user(user)
    return {"exists": False} if reference is None else {"exists": True, "applicant": one(reference, played)}


def one(reference: str, played: Played) -> dict[str, Any]:
    standing = played.table[reference]
    return {
        "id": reference,
        "createdAt": f"{standing.began_at:%Y-%m-%d %H:%M:%S}",
        "clientId": "played",
        "inspectionId": reference,
        "externalUserId": standing.user,
        "info": {},
        "review": review(standing),
        "type": "individual",
    } | standing.says


def review(standing: Standing) -> dict[str, Any]:
    """Return the state of the review, which is also the answer of `GET …/status`."""
    answer, _, reject = standing.status.partition(":")
    decided = answer in ("GREEN", "RED")
    attempts = sum(status.startswith(("GREEN", "RED")) for status, _ in standing.earlier)
    found: dict[str, Any] = {"reviewId": "played", "attemptCnt": attempts, "levelName": standing.level}
    found |= {"createDate": _zoned(_review_began_at(standing)), "reviewStatus": "completed" if decided else standing.status}
    if decided:
        result = {"reviewAnswer": answer} | ({"rejectLabels": list(standing.labels), "reviewRejectType": reject} if reject else {})
        found |= {"reviewDate": _zoned(standing.at), "reviewResult": result}
    return found


def change_fixed_info(reference: str, request: Request, played: Played) -> dict[str, Any]:
    """Change some fields, which stand in the body without a wrapper. Returns all fields."""
    changed = _checked(request.json())
    says = played.table[reference].says
    says["fixedInfo"] = says.get("fixedInfo", {}) | changed
    return dict(says["fixedInfo"])


def _checked(fixed_info: object) -> dict[str, Any]:
    if not isinstance(fixed_info, dict) or set(NOT_IN_FIXED_INFO) & set(fixed_info):
        raise refused(400, "fixedInfo is not understood")
    places = [fixed_info, *(one for one in fixed_info.get("addresses", ()) if isinstance(one, dict))]
    for name, shape in FIXED_INFO.items():
        if any(name in place and not re.fullmatch(shape, str(place[name])) for place in places):
            raise refused(400, f"fixedInfo.{name} is invalid")
    return fixed_info


def _review_began_at(standing: Standing) -> datetime:
    """Return when the latest review began: at the last status that is no verdict."""
    moments = [at for status, at in (*standing.earlier, (standing.status, standing.at)) if not status.startswith(("GREEN", "RED"))]
    return moments[-1] if moments else standing.began_at


def _zoned(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}+0000"
