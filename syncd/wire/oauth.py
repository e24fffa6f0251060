"""Access tokens: one that never changes, or one minted by an OAuth grant: client credentials, or a refresh token."""

from typing import Final, Protocol
from urllib.parse import urlencode

import anyio

from syncd.domain.errors import AuthFailed, Retry
from syncd.wire.http import Http

EARLY_SECONDS: Final = 300.0
"""A token is renewed this long before it ends, so that none ends on its way."""
LIFETIME_SECONDS: Final = 3600.0
"""Assumed where the server does not say."""


_PASSING: Final = ("server_error", "temporarily_unavailable")
"""Errors of the token endpoint that pass by themselves (RFC 6749, 4.1.2.1)."""


class Credentials(Protocol):
    async def token(self) -> str:
        """A token to send with the next call."""

    async def renewed(self, refused: str) -> str | None:
        """Another token after this one was refused; None when there is no other."""


class StaticToken:
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token

    async def renewed(self, refused: str) -> str | None:
        return None


class ClientCredentials:
    """Keeps the token in memory; however many calls want a new one at once, one request is made.

    Raises AuthFailed when the server refuses the client: wrong secret, or the app is not installed.
    """

    def __init__(self, http: Http, path: str, *, client_id: str, client_secret: str) -> None:
        self._http = http
        self._path = path
        self._client_id = client_id
        self._client_secret = client_secret
        self._token = ""
        self._good_until = 0.0
        self._minting = anyio.Lock()

    async def token(self) -> str:
        if self._token and anyio.current_time() < self._good_until:
            return self._token
        async with self._minting:
            if not self._token or anyio.current_time() >= self._good_until:
                await self._mint()
            return self._token

    async def renewed(self, refused: str) -> str | None:
        async with self._minting:
            if self._token == refused:
                await self._mint()
            return self._token

    def _form(self) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }

    async def _mint(self) -> None:
        answer = await self._http.send(
            "POST",
            self._path,
            body=urlencode(self._form()).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            changes=False,
        )
        try:
            told = answer.json()
        except ValueError:
            told = None
        held = told if isinstance(told, dict) else {}
        token = held.get("access_token")
        if held.get("error") in _PASSING:
            raise Retry(f"no access token: {answer.status} {held.get('error_description') or held['error']}")
        if answer.status != 200:
            why = held.get("error_description") or held.get("error") or answer.shown[:120]
            raise AuthFailed(f"no access token: {answer.status} {why}; check client_id, client_secret and the app")
        if not isinstance(token, str) or not token:
            raise Retry("no access token in the answer of the token endpoint")
        life = held.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else LIFETIME_SECONDS
        self._token = token
        self._good_until = anyio.current_time() + max(seconds - EARLY_SECONDS, seconds / 2)


class RefreshToken(ClientCredentials):
    """The same by a refresh token that a person once granted, and which stays as it is."""

    def __init__(self, http: Http, path: str, *, client_id: str, client_secret: str, refresh_token: str) -> None:
        super().__init__(http, path, client_id=client_id, client_secret=client_secret)
        self._refresh_token = refresh_token

    def _form(self) -> dict[str, str]:
        return {**super()._form(), "grant_type": "refresh_token", "refresh_token": self._refresh_token}
