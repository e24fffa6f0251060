"""One call as the handlers see it, and what they answer."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any


class Refused(Exception):
    """An error answer: `{"errors": [{code, message, details}]}`."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.details = status, code, details


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Clients write the names of parameters in every manner: they are looked up without regard to case and `_`."""

    query: Sequence[tuple[str, str]]
    match: Mapping[str, str]
    body: Mapping[str, Any]
    origin: str
    fault: str | None = None

    def many(self, name: str) -> list[str]:
        """A list, comma-joined or repeated."""
        wanted = name.lower()
        found = [value for key, value in self.query if key.lower().replace("_", "") == wanted]
        return list(dict.fromkeys(part for value in found for part in value.split(",") if part))

    def one(self, name: str) -> str:
        wanted = name.lower()
        return next((value for key, value in self.query if key.lower().replace("_", "") == wanted), "")

    def moment(self, name: str, code: str = "InvalidInput") -> datetime | None:
        value = self.one(name)
        return moment_of(value, name, code) if value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def moment_of(value: str, name: str, code: str = "InvalidInput") -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise Refused(400, code, f"Invalid Date-Time field(s) [{name}]") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def page_token(parameters: Mapping[str, str], start: int, made: datetime) -> str:
    """Opaque, with the characters that have to be escaped in an address."""
    held = json.dumps({"p": dict(sorted(parameters.items())), "s": start, "m": made.isoformat()})
    return base64.b64encode(held.encode()).decode() + "+/="


def start_of(token: str, parameters: Mapping[str, str], now: datetime, life_seconds: float) -> int:
    """Where the page begins; the other parameters have to be those of the first page."""
    try:
        held = json.loads(base64.b64decode(token.removesuffix("+/=").encode(), validate=True))
        parameters_then, start, made = held["p"], int(held["s"]), datetime.fromisoformat(held["m"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise Refused(400, "InvalidInput", "Invalid pagination token") from error
    if parameters_then != dict(sorted(parameters.items())):
        raise Refused(400, "InvalidInput", "The parameters differ from those of the first page")
    if now - made > timedelta(seconds=life_seconds):
        raise Refused(400, "InvalidInput", "The pagination token has expired")
    return start


def marketplaces_of(call: Call, known: Sequence[str]) -> list[str]:
    asked = call.many("marketplaceids")
    strange = [each for each in asked if each not in known]
    if strange:
        raise Refused(400, "InvalidInput", f"Invalid marketplace(s): {strange}")
    return asked
