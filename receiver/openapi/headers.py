"""Headers that calls read, that answers have, and that a notification has: what each means."""

from __future__ import annotations

RECEIVED = {
    "If-None-Match": "The `ETag` of an earlier answer: 304 if nothing differs.",
    "Idempotency-Key": "Any text of 1 to 200 characters. The same request with the same key gets the first answer again for 7 days.",
    "Last-Event-ID": "The last `id` of an earlier stream. It goes before `after`.",
}
SENT = {
    "X-Request-Id": "The request's id in the logs. Yours, if you gave a sane one.",
    "traceparent": "The request's trace, as W3C Trace Context writes it. Yours, if you gave a valid one; with a span id of ours.",
    "ETag": "Identifies this answer. Give it as `If-None-Match`.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "The scheme of the token.",
}
NOTIFIED = {
    "webhook-id": "The id of the change or checkpoint, the same at each attempt.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature in base64, one for each of NOTIFY_SECRETS, separated by spaces.",
}
