"""A log that is signed, for what is proved of the database and what is handed out with proofs."""

from tests.support.proof.log import signing

__all__ = ["signing"]
