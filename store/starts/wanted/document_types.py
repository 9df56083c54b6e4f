"""The vendors' words for document types: those that each vendor takes, and how ours are called there.

IDnGO: https://docs.sumsub.com/reference/add-id-documents (`idDocType`). iDenfy: https://documentation.idenfy.com/kyc/generate-token
(`documents`, `documentType`). IFCGATE: https://www.ifcgate.com/documentation.html has one example, `passport`; the others follow it.
"""

from __future__ import annotations

from store.starts.wanted.person import DocumentType

IFCGATE_WORDS = {kind: kind.value.lower() for kind in DocumentType}

IDNGO_WORDS = {kind: kind.value for kind in DocumentType} | {DocumentType.DRIVER_LICENSE: "DRIVERS"}

#: What a photo of an identity document can be declared as.
IDENFY_WORDS = {
    DocumentType.PASSPORT: "PASSPORT",
    DocumentType.ID_CARD: "ID_CARD",
    DocumentType.DRIVER_LICENSE: "DRIVER_LICENSE",
    DocumentType.RESIDENCE_PERMIT: "RESIDENCE_PERMIT",
}
