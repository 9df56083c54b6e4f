"""Event types that a vendor is known to send and that move nothing. Any other type that moves nothing is unknown, and counted."""

from __future__ import annotations

#: Sumsub lists them (docs.sumsub.com/docs/user-verification-webhooks).
IDNGO_HARMLESS = frozenset(
    {
        "applicantPersonalInfoChanged", "applicantTagsChanged", "applicantActionPending", "applicantActionReviewed",
        "applicantActionOnHold", "applicantActionLevelChanged", "videoIdentStatusChanged", "videoIdentCompositionCompleted",
        "applicantKytTxnCreated", "applicantKytTxnApproved", "applicantKytTxnRejected", "applicantKytTxnReviewed",
        "applicantKytTxnDeleted", "applicantKytTxnDataChanged", "applicantKytTxnAwaitingUser",
        "applicantKytOnHold", "kytCaseCreated", "kytCaseStatusChanged", "kytCaseReviewed", "kytCaseV2Created", "travelRuleAction",
        "kybCompanyActivity",
    }
)  # fmt: skip

#: iDenfy's OpenAPI description of its webhooks lists them.
IDENFY_HARMLESS = frozenset(
    {
        "AML_MONITORING_EXPIRATION", "FACIAL_AUTHENTICATION", "AGE_ESTIMATION", "ACCOUNT_CHECK", "BANK_VERIFICATION",
        "BANK_CARD_VERIFICATION_COMPLETED", "COMPANY_REVIEW", "COMPANY_SUBMIT", "COMPANY_INFO_REQUEST", "COMPANY_EXPIRATION",
        "COMPANY_AML_REVIEW", "COMPANY_DELETE", "GOV_ORDERED_DOCUMENT", "SOS_REPORT",
    }
)  # fmt: skip
