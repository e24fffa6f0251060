"""Every fault of a configuration at once, with its line and a way out."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from syncd.config.lines import Path
from syncd.domain.errors import SyncdError

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_MESSAGES: Final = {
    "missing": "missing",
    "string_type": "must be text",
    "path_type": "must be text",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One thing that is wrong, as editors and people read it."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.path}: {self.message}" if self.path else f"{place}{self.message}"


class ConfigError(SyncdError):
    """The configuration cannot be used; one line a fault, in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Faults:
    """Collects what is wrong with one file."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self.file = file
        self.lines = lines
        self.found: list[Fault] = []

    def add(self, path: Path, message: str) -> None:
        self.found.append(Fault(file=self.file, line=self._line(path), path=dotted(path), message=message))

    def add_unknown_key(self, path: Path, known: Iterable[str]) -> str | None:
        """Report a key that nothing reads; returns the one that was probably meant."""
        meant = closest(str(path[-1]), known)
        self.add(path, "unknown key" + suggestion(meant))
        return meant

    def add_validation(self, path: Path, error: ValidationError, model: type[BaseModel]) -> None:
        """Report what pydantic found in the table at `path`; a misspelt key is not reported as missing too."""
        details = error.errors(include_url=False)
        meant = {
            (*detail["loc"][:-1], self.add_unknown_key((*path, *detail["loc"]), keys_at(model, detail["loc"])))
            for detail in details
            if detail["type"] == "extra_forbidden"
        }
        for detail in details:
            if detail["type"] == "extra_forbidden" or (detail["type"] == "missing" and detail["loc"] in meant):
                continue
            self.add((*path, *detail["loc"]), message_of(detail))

    def _line(self, path: Path) -> int:
        """The line of the key, or of the nearest table around one that is not there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def message_of(detail: ErrorDetails) -> str:
    """The fault in plain words, without the value: it may be a secret."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "enum" | "literal_error":
            given = detail["input"]
            meant = closest(given, re.findall(r"'([^']*)'", context["expected"])) if isinstance(given, str) else None
            return f"must be {context['expected']}".replace("'", '"') + suggestion(meant)
        case known if known in _MESSAGES:
            return _MESSAGES[known].format_map(context)
        case _:
            return detail["msg"][:1].lower() + detail["msg"][1:]


def keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys of the table in which the last part of the location stands."""
    here: type[BaseModel] | None = model
    for part in location[:-1]:
        field = here.model_fields.get(str(part)) if here is not None else None
        here = _table_in(field.annotation) if field is not None else None
    return list(here.model_fields) if here is not None else []


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part)) is not None), None)


def closest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def suggestion(meant: str | None) -> str:
    return f'; did you mean "{meant}"?' if meant else ""


def dotted(path: Path) -> str:
    return ".".join(str(part) if isinstance(part, int) or _PLAIN_KEY.fullmatch(part) else f'"{part}"' for part in path)
