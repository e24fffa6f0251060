"""Signatures of deliveries, over the raw bytes, compared in constant time."""

import base64
import hashlib
import hmac
from collections.abc import Sequence


def hmac_sha256_base64(secret: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, message, hashlib.sha256)).decode("ascii")


def signed_by_any(secrets: Sequence[bytes], message: bytes, signature: str) -> bool:
    """Is `signature` the base64 HMAC-SHA256 of the message under one of the secrets?

    There are several while a secret is rotated. All of them are tried, whichever fits, so that the time taken tells
    nothing; an empty secret never fits.
    """
    given = signature.strip().encode("utf-8", "surrogateescape")
    found = False
    for secret in secrets:
        fits = hmac.compare_digest(hmac_sha256_base64(secret, message).encode("ascii"), given)
        found = found or (fits and bool(secret))
    return found
