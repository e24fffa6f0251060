"""Signatures over raw bytes."""

import base64

import pytest

from syncd.wire.signatures import hmac_sha256_base64, signed_by_any

# RFC 4231, test case 2
KEY, MESSAGE = b"Jefe", b"what do ya want for nothing?"


def test_the_published_test_case() -> None:
    digest = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")

    assert hmac_sha256_base64(KEY, MESSAGE) == base64.b64encode(digest).decode()


def test_any_of_several_secrets_fits() -> None:
    signature = hmac_sha256_base64(KEY, MESSAGE)

    assert signed_by_any([KEY], MESSAGE, signature)
    assert signed_by_any([b"new", KEY], MESSAGE, signature)
    assert signed_by_any([KEY, b"old"], MESSAGE, f" {signature}\n")


@pytest.mark.parametrize("signature", ["", "x", "\udcff", "é", hmac_sha256_base64(KEY, b"other")])
def test_anything_else_does_not(signature: str) -> None:
    assert not signed_by_any([KEY], MESSAGE, signature)


def test_an_empty_secret_signs_nothing() -> None:
    assert not signed_by_any([b""], MESSAGE, hmac_sha256_base64(b"", MESSAGE))
    assert not signed_by_any([], MESSAGE, "")
