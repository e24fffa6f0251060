"""Secrets: named in the file, never written there."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, SecretStr, ValidationInfo

HOW: Final = 'write { env = "NAME" }, { file = "/path" } or { credential = "name" }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a configuration is read against: the environment, and the folder that relative paths start from."""

    environ: Mapping[str, str]
    folder: Path


def surroundings(info: ValidationInfo) -> Surroundings:
    if not isinstance(info.context, Surroundings):
        raise TypeError("configuration models are validated with Surroundings as their context")
    return info.context


def resolve_secret(value: object, info: ValidationInfo) -> str:
    """The text that the table names. The error never holds what stood in the file: it may be the secret itself."""
    if isinstance(value, str):
        raise ValueError(f"a secret is not written into the file; {HOW}")
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(HOW)
    around = surroundings(info)
    match next(iter(value.items())):
        case ("env", str(name)):
            return _from_environment(name, around)
        case ("file", str(name)):
            return _from_file(around.folder / Path(name).expanduser())
        case ("credential", str(name)):
            return _from_credential(name, around)
    raise ValueError(HOW)


def resolve_secrets(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """One secret or a list of them, the one in use first."""
    if isinstance(value, list):
        if not value:
            raise ValueError("at least one secret is needed")
        return tuple(resolve_secret(item, info) for item in value)
    return (resolve_secret(value, info),)


Secret = Annotated[SecretStr, BeforeValidator(resolve_secret)]
"""A field of a channel's settings that holds a secret; `get_secret_value()` gives the text, printing it gives stars."""

Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(resolve_secrets)]
"""One or several secrets, for as long as one is being replaced by another."""


def _from_environment(name: str, around: Surroundings) -> str:
    found = around.environ.get(name, "")
    if not found:
        raise ValueError(f"the environment variable {name} is not set")
    return found


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ValueError(f"{path} is not a file")
            if mode & stat.S_IROTH:
                raise ValueError(f"{path} can be read by everybody; chmod 600 it")
            return _text(file.read(), path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def _from_credential(name: str, around: Surroundings) -> str:
    folder = around.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise ValueError(f"systemd passed no credentials; add LoadCredential={name}:/path to the unit")
    if "/" in name or name in ("", ".", ".."):
        raise ValueError("a credential's name is a plain file name")
    path = Path(folder) / name
    try:
        return _text(path.read_bytes(), path)
    except OSError as error:
        raise ValueError(f"credential {name}: {error.strerror}; is it in LoadCredential= of the unit?") from None


def _text(content: bytes, path: Path) -> str:
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def plain_or_secret(value: object, info: ValidationInfo) -> Any:
    """For a value that need not be secret: text as it stands, or a table that names a secret."""
    return value if isinstance(value, str) else resolve_secret(value, info)
