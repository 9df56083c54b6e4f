"""Faults: what goes wrong with requests to a played vendor."""

from __future__ import annotations

from msgspec import Struct

#: Faults that every vendor can play. `lost`: the request is carried out, and the connection is cut before the answer. `cut`: the
#: connection is cut in the middle of the request's body. `half`: it is cut in the middle of the answer.
COMMON = ("500", "429", "402", "busy", "slow", "nonsense", "down", "unauthorized", "lost", "cut", "half")

#: IDnGO's errors of an upload, an image with an error or a warning; iDenfy's credits are used up, a document that is not seen.
OWN = {
    "ifcgate": (),
    "idngo": (*map(str, range(1000, 1012)), "bad_image", "image_warning"),
    "idenfy": ("token_limit", "unseen"),
}

#: IDnGO documents ten seconds.
BUSY_SECONDS = "10"


class Fault(Struct):
    """What goes wrong; None: nothing."""

    fault: str | None = None
    #: With how many requests; None: with all.
    times: int | None = None
    #: What `Retry-After` says beside the fault.
    retry_after: str | None = None
    #: Only with requests whose method and path, such as `POST /idngo/resources/applicants?levelName=…`, have this in them.
    path: str = ""

    @property
    def headers(self) -> dict[str, str]:
        seconds = self.retry_after or (BUSY_SECONDS if self.fault == "busy" else None)
        return {"Retry-After": seconds} if seconds else {}

    def take(self, method: str, path: str) -> Fault:
        """Return the fault of one request, which is one fewer to come."""
        if self.path not in f"{method} {path}" or (self.times is not None and self.times <= 0):
            return Fault()
        if self.times is not None:
            self.times -= 1
        return self


def check(vendor: str, fault: str | None) -> None:
    """Raises ValueError if a vendor cannot play a fault."""
    known = (*COMMON, *OWN[vendor])
    if fault is not None and fault not in known:
        raise ValueError(f"{vendor} plays {', '.join(known)}, and no other fault")
