"""iDenfy's tags: every documented one, and what it says about an approval.

Source: the enumerations `fraudTags` and `mismatchTags` of the vendor's OpenAPI description, its vocabulary page, and for
`suspicionReasons` its documentation of 2021. A final approval with a plain tag was decided with that tag in view.
"""

from __future__ import annotations

from handlers.config.vocabulary.words import DOUBTFUL, FAILED, PLAIN, Meaning, hit

#: `…_IN_BLACKLIST`: put on the blacklist; `…_BLACKLISTED`: matched an entry of it.
TAGS: dict[str, Meaning] = {
    "FACE_IN_BLACKLIST": hit("blacklist"),
    "DOC_FACE_IN_BLACKLIST": hit("blacklist"),
    "DATA_IN_BLACKLIST": hit("blacklist"),
    "FACE_BLACKLISTED": hit("blacklist"),
    "DOC_FACE_BLACKLISTED": hit("blacklist"),
    "DATA_BLACKLISTED": hit("blacklist"),
    "SANCTIONS_SUSPECTION": hit("sanctions"),
    "CRIMINAL_SUSPECTED": hit("criminal"),
    "AML_SUSPECTION": hit("aml"),
    "AML_FAILED": FAILED,
    "SANCTIONS_FAILED": FAILED,
    "LID_FAILED": FAILED,
    "CRIMINAL_CHECK_FAILED": FAILED,
    "RC_FAILED": FAILED,
    "DL_FAILED": FAILED,
    # Of the documentation of 2022.
    "UTILITY_ADDRESS_CHECK_FAILURE": FAILED,
    "LID_SUSPECTION": DOUBTFUL,
    "FACE_SUSPECTED": DOUBTFUL,
    "DUPLICATE_FACE": PLAIN,
    "DUPLICATE_DOC_FACE": PLAIN,
    "DUPLICATE_PERSONAL_DATA": PLAIN,
    "VIRTUAL_CAMERA": PLAIN,
    "ADDRESS_UNVERIFIED": PLAIN,
    "PORTRAIT_SUBSTITUTION": PLAIN,
    "DOC_MOBILE_PHOTO": PLAIN,
    "DEV_TOOLS_OPENED": PLAIN,
    "DOC_PRINT_SPOOFED": PLAIN,
    "FAKE_PHOTO": PLAIN,
    "AUTO_UNVERIFIABLE": PLAIN,
    "NAME": PLAIN,
    "SURNAME": PLAIN,
    "DOCUMENT_NUMBER": PLAIN,
    "PERSONAL_CODE": PLAIN,
    "EXPIRY_DATE": PLAIN,
    "DATE_OF_BIRTH": PLAIN,
    "DATE_OF_ISSUE": PLAIN,
    "NATIONALITY": PLAIN,
    "SEX": PLAIN,
    "FULL_NAME": PLAIN,
    "DOC_INFO_MISMATCH": PLAIN,
    "UNDER_AGE": PLAIN,
    "OVER_AGE": PLAIN,
    "UNKNOWN_AGE": PLAIN,
    "UTILITY_ADDRESS": PLAIN,
    "UTILITY_NAME": PLAIN,
    "EXPIRED_UTILITY_BILL": PLAIN,
    "INVALID_ADDITIONAL_STEP": PLAIN,
    "ADDITIONAL_STEP_NOT_FOUND": PLAIN,
    "ADDITIONAL_STEP_INFORMATION_MISMATCH": PLAIN,
    "EXPIRED_ADDITIONAL_STEP_INFORMATION": PLAIN,
    "REGISTRY_CENTER_INFO_MISMATCH": PLAIN,
    "DRIVER_LICENSE_INFO_MISMATCH": PLAIN,
    "NOT_SUPPORTED_POA_DOCUMENT_TYPE": PLAIN,
    "NOT_SUPPORTED_POA_DOCUMENT_COUNTRY": PLAIN,
    "POA_COUNTRIES_MISMATCH": PLAIN,
    "POA_SCREENSHOT_DETECTED": PLAIN,
}
