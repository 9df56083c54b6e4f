"""Scenes: one verification is started, sent, visited, sent again, and turned later, as its caller, its person and its vendor do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec

from receiver.simulator.played.exchange import Request
from receiver.simulator.vendor_server import Vendors
from receiver.simulator.whole.calls import Calls, named
from receiver.simulator.whole.cast import PASSPORT, Part
from receiver.simulator.whole.images import Picture, picture
from store.system import clock

POLL_SECONDS = 0.1

#: The vendor's time of what it says later. A time that is more than a day ahead is not believed.
LATER = timedelta(hours=20)

#: An applicant has a verdict, or is asked to send something again.
OPEN = (None, "created", "in_review")


class TookTooLong(Exception):
    """Something that was waited for did not happen in time."""


class Refused(Exception):
    """The service answered a call otherwise than it should. The message says how."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long one thing is waited for."""

    seconds: float

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """Return what `look` finds, once that is true. Raises TookTooLong."""
        deadline = time.monotonic() + self.seconds
        while not (found := look()):
            if time.monotonic() > deadline:
                raise TookTooLong(f"{what} within {self.seconds:g} s")
            time.sleep(POLL_SECONDS)
        return found


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What all verifications have in common."""

    calls: Calls
    vendors: Vendors
    patience: Patience
    environment: str
    #: IDnGO's level: one at which an approval counts.
    level: str


@dataclass
class Scene:
    """One verification on its way."""

    part: Part
    user: str
    stage: Stage
    id: str = ""
    verification: dict[str, Any] = field(default_factory=dict)
    applicant: dict[str, Any] = field(default_factory=dict)
    #: Every image that was sent.
    pictures: list[Picture] = field(default_factory=list)
    #: What was not as it should be.
    complaints: list[str] = field(default_factory=list)

    def play(self, act: Callable[[Scene], None]) -> None:
        """Do one thing. After a complaint nothing more is done, and the verification is only looked at."""
        if self.complaints:
            return
        try:
            act(self)
        except (TookTooLong, Refused) as error:
            self.complaints.append(str(error))

    @property
    def reference(self) -> str:
        return str(self.verification.get("reference"))

    def take_pictures(self, documents: Any) -> list[Picture]:
        taken = [picture(f"{self.user} {document['type']} {document.get('side', '')} {len(self.pictures)}") for document in documents]
        self.pictures += taken
        return taken

    def is_with_images(self) -> bool:
        return self.part.mode == "documents" and self.part.vendor != "ifcgate"


def decide(scene: Scene) -> None:
    """Have the played vendor decide as the part says."""
    failed = [scene.part.again["type"]] if scene.part.again else []
    told = {"next": list(scene.part.verdicts), "user": scene.user} | ({"failed": failed} if failed else {})
    _play(scene, "PUT", scene.part.vendor, told)


def start(scene: Scene) -> None:
    """Start the verification. The same request with the same key starts no second one."""
    part, documents = scene.part, scene.part.documents
    wanted: dict[str, Any] = {
        "vendor": part.vendor,
        "environment": scene.stage.environment,
        "external_user_id": scene.user,
        "mode": part.mode,
    }
    wanted |= {"idngo": {"level": scene.stage.level}, "ifcgate": {"workflow": "onboarding-default"}}.get(part.vendor, {})
    pictures = scene.take_pictures(documents) if scene.is_with_images() else []
    if documents:
        wanted["documents"] = named(documents) if pictures else documents
    key = f"start-{scene.user}"
    answer = scene.stage.calls.start(wanted, pictures, key=key)
    if answer.status == 503 and "id" in answer.content and pictures:
        scene.id = answer.content["id"]
        scene.stage.patience.until(lambda: _sent(scene, documents, pictures), "the images were not passed on")
    elif answer.status != 202:
        raise Refused(f"starting it was answered {answer.word}: {answer.content.get('detail', '')}")
    scene.id = scene.id or answer.content["id"]
    repeated = scene.stage.calls.start(wanted, pictures, key=key)
    if repeated.content.get("id") != scene.id:
        raise Refused(f"the same request with the same key was answered {repeated.word}, and not the same verification")


def follow(scene: Scene) -> None:
    """Wait until the vendor has everything, or waits for its person; then play the person on the vendor's pages."""
    scene.stage.patience.until(lambda: _is_with_the_vendor(scene), "it did not get to the vendor")
    if scene.verification["status"] == "failed":
        raise Refused(f"it failed: {scene.verification.get('failure')}")
    if scene.part.mode == "hosted":
        scene.stage.patience.until(lambda: _visited(scene), "the vendor did not know of the person")


def get_verdict(scene: Scene) -> None:
    """Wait for the verdict."""
    scene.stage.patience.until(lambda: _look(scene).get("status") not in OPEN, "no verdict came")


def send_again(scene: Scene) -> None:
    """Send exactly what the service says that the vendor asks for again. Another document is refused."""
    if scene.part.again is None:
        return
    asked = scene.stage.patience.until(lambda: _asked_again(scene), "the service did not say what to send again")
    if asked != [scene.part.again]:
        raise Refused(f"{scene.part.again} should be asked for again, and {asked} is")
    other = scene.stage.calls.send(scene.id, named([PASSPORT]), [picture(f"{scene.user} not asked for")])
    if other.status != 422:
        raise Refused(f"a document that is not asked for should be refused (422), and was answered {other.word}")
    pictures = scene.take_pictures(asked)
    scene.stage.patience.until(lambda: _sent(scene, asked, pictures), "what failed could not be sent again")
    scene.stage.patience.until(lambda: _look(scene).get("status") == scene.part.ending["status"], "no verdict came after it was sent again")


def turn(scene: Scene) -> None:
    """Have the vendor say something else later, signed and with a later time."""
    if scene.part.later is None:
        return
    if scene.applicant["status"] != "approved":
        raise Refused(f"it is not approved: the applicant is {scene.applicant['status']}")
    status, labels = scene.part.later
    told = {"status": status, "labels": labels, "at": clock.rfc3339(clock.now() + LATER), "webhook": True}
    _play(scene, "PUT", f"{scene.part.vendor}/{scene.reference}", told)
    scene.stage.patience.until(lambda: _look(scene).get("status") != "approved", "what the vendor said later did not arrive")


def _asked_again(scene: Scene) -> list[dict[str, str]]:
    """Return the documents that the vendor asks for again."""
    found = scene.stage.calls.verification(scene.id).get("to_send_again", [])
    return [{"type": one["type"], "country": one["country"]} for one in found]


def _sent(scene: Scene, documents: Any, pictures: list[Picture]) -> bool:
    """Send images; return whether they were passed on. Raises Refused."""
    answer = scene.stage.calls.send(scene.id, named(documents), pictures)
    if answer.status not in (202, 503, None):
        raise Refused(f"sending images was answered {answer.word}: {answer.content.get('detail', '')}")
    return answer.status == 202


def _is_with_the_vendor(scene: Scene) -> bool:
    scene.verification = found = scene.stage.calls.verification(scene.id)
    if found.get("status") == "failed":
        return True
    if scene.part.mode == "hosted":
        return bool(found.get("redirect_url"))
    return found.get("status") == "submitted" and found.get("reference") is not None


def _visited(scene: Scene) -> bool:
    """Play the person on the vendor's pages; return whether the vendor knew of the person. IDnGO's applicant begins there."""
    who = scene.user if scene.part.vendor == "idngo" else scene.reference
    answer = _play(scene, "POST", f"{scene.part.vendor}/{who}/visit", None)
    scene.verification["reference"] = answer.get("reference")
    return "reference" in answer


def _look(scene: Scene) -> dict[str, Any]:
    scene.applicant = scene.stage.calls.applicant(scene.part.vendor, scene.reference)
    return scene.applicant


def _play(scene: Scene, method: str, where: str, told: Any) -> dict[str, Any]:
    body = b"" if told is None else msgspec.json.encode(told)
    reply = scene.stage.vendors.play(Request(method=method, path=f"/play/{where}", headers={}, body=body))
    return dict(reply.content)
