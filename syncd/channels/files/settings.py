"""The keys of a channel of files in the configuration."""

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from syncd.channels.files.amounts import Amounts, Fraction, Negative
from syncd.channels.files.decoding import Shape
from syncd.config.model import FilePath, Table
from syncd.config.secrets import Secret
from syncd.domain.listings import WriteKind
from syncd.ports import Capabilities

CAPABILITIES: Final = Capabilities(
    write=WriteKind.ABSOLUTE,
    keeps_keys=True,
    batch=5000,
    has_locations=True,
    has_webhooks=False,
    tells_counts=True,
)


def _names(value: object) -> object:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _texts(value: object) -> object:
    """Names of columns, or their numbers."""
    named = _names(value)
    if isinstance(named, list):
        return [str(each) if type(each) is int else each for each in named]
    return named


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(f"there is no encoding {name}") from None
    return name


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name}") from None
    return name


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return pattern


def _lower(words: dict[str, int]) -> dict[str, int]:
    return {word.strip().lower(): units for word, units in words.items()}


def _export_columns() -> dict[Literal["sku", "quantity", "location"], str]:
    return {"sku": "sku", "quantity": "quantity"}


Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1), BeforeValidator(_names)]
ColumnNames = dict[str, Annotated[list[str], Field(min_length=1), BeforeValidator(_texts)]]
Regex = Annotated[str, AfterValidator(_regex)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Delimiter = Literal[",", ";", "\t", "|"]
"""One of `decoding.DELIMITERS`."""
ExportColumns = Annotated[dict[Literal["sku", "quantity", "location"], str], Field(min_length=1)]
Words = Annotated[dict[str, NonNegativeInt], AfterValidator(_lower)]


class FeedTable(Table):
    """What every kind of file has."""

    pattern: Patterns
    """Names of its files, as a shell would match them."""
    as_of: str | None = None
    """The date in its name, as `strptime` reads it: `stock_%Y%m%d_%H%M%S.csv`. Without it the file's own time."""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    old_by_seconds: NonNegativeFloat = 0.0
    """How much older than its date what stands in the file may be: an export takes a while."""
    encoding: Encoding = "cp1252"
    """What is neither marked nor UTF-8."""
    delimiter: Delimiter | None = None
    sheet: str | None = None
    header: bool = True
    """Without one, `columns` gives numbers."""
    columns: ColumnNames = Field(default_factory=dict)
    footer: Regex = r"(?i)(grand )?totals?:?|sum:?"
    """Rows that begin with this are none."""
    trailer: Regex | None = None
    """A last row that says that the file is whole; a group `rows` in it is the number of rows."""
    most_refused: Annotated[float, Field(ge=0, le=1)] = 0.2
    """With a larger share of unusable rows the whole file is refused."""
    upper_case: bool = False
    """SKUs are ours in upper case."""
    location: str | None = None
    """The remote location of rows that name none."""
    decimal: Literal[".", ","] = "."
    packs: Words = Field(default_factory=dict)
    """Units in a unit of measure; 0: what the row's own `pack` column says."""

    @property
    def shape(self) -> Shape:
        return Shape(fallback=self.encoding, delimiter=self.delimiter)

    def dated(self, name: str) -> datetime | None:
        """The date in the name of a file; None where the feed has none.

        Raises ValueError when the name does not hold it.
        """
        if self.as_of is None:
            return None
        return datetime.strptime(name, self.as_of).replace(tzinfo=ZoneInfo(self.timezone))


class StockFeed(FeedTable):
    """Counts. `full` files hold everything that the sender has, so that what is absent is at zero."""

    mode: Literal["full", "delta"]
    words: Words = Field(default_factory=dict)
    """What words stand for, such as `in stock`; in whatever case."""
    ended: tuple[str, ...] = ("discontinued", "blocked", "end of line", "obsolete")
    """Words in the column `status` that mean zero, whatever the quantity says."""
    fraction: Fraction = Fraction.REFUSE
    negative: Negative = Negative.KEEP
    duplicates: Literal["refuse", "last", "sum"] = "refuse"
    most: PositiveInt = 1_000_000
    """A larger quantity is taken for another column."""

    @property
    def amounts(self) -> Amounts:
        return Amounts(
            decimal=self.decimal,
            words=self.words,
            packs=self.packs,
            fraction=self.fraction,
            negative=self.negative,
            most=self.most,
        )


class OrderFeed(FeedTable):
    """Orders, a row a line, each with all that is known of it by now: ordered, cancelled, shipped, returned."""

    dates: str | None = None
    """How times are written, as `strptime` reads them; without it ISO 8601."""
    cancelled: tuple[str, ...] = ("cancelled", "canceled", "void", "storniert")
    """Words in the column `status` for an order line of which nothing more will be shipped."""
    shipped: tuple[str, ...] = ("shipped", "complete", "completed", "fulfilled", "delivered", "geliefert")
    """Words in the column `status` for one of which all is shipped."""

    @property
    def amounts(self) -> Amounts:
        return Amounts(decimal=self.decimal, packs=self.packs, negative=Negative.REFUSE)


class BookedFeed(FeedTable):
    """What the sender has entered into its own books: a number, our order, an item, and how its count moved."""

    returns: tuple[str, ...] = ("return", "returned", "retoure", "credit")
    """Words in the column `type` for goods that came back; everything else left."""

    @property
    def amounts(self) -> Amounts:
        return Amounts(decimal=self.decimal, packs=self.packs)


class Export(Table):
    """Files with what should be shown, written for the other side."""

    items: str = "items.csv"
    """The list of what is exported, kept in the folder by whoever is responsible: `sku`, and `title` if you like."""
    name: Annotated[str, Field(pattern=r"^[^/]*\{time\}[^/]*$")] = "levels_{time}.csv"
    location: str = ""
    """The remote location (a key of `locations`) whose stock is exported."""
    whole: bool = False
    """Every file holds every item; else only what changed."""
    columns: ExportColumns = Field(default_factory=_export_columns)
    delimiter: Delimiter = ","
    encoding: Encoding = "utf-8"
    checksum: bool = False
    """A file with the SHA-256 beside each."""
    guard_formulas: bool = True
    """Put an apostrophe before a SKU that a spreadsheet would take for a formula."""


class Sftp(Table):
    """The other side's server; files are fetched into the folder and taken from it."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Annotated[str, Field(min_length=1)]
    password: Secret | None = None
    key: Secret | None = None
    """A private key in OpenSSH's or PEM form."""
    host_key: Annotated[str, Field(min_length=1)]
    """The server's public key as in a `known_hosts` file, without the name: `ssh-ed25519 AAAA...`."""
    fetch: str | None = None
    """The folder there from which files are fetched."""
    fetched: str | None = None
    """The folder there to which a fetched file is moved; without one it is removed."""
    deliver: str | None = None
    """The folder there into which exports are put."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 15.0

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.password is None and self.key is None:
            raise ValueError("give a password or a key")
        if self.fetch is None and self.deliver is None:
            raise ValueError("give `fetch`, `deliver` or both")
        if self.fetched is not None and PurePosixPath(self.fetched) == PurePosixPath(self.fetch or ""):
            raise ValueError("`fetched` has to be another folder than `fetch`")
        return self


class Settings(Table):
    folder: FilePath
    """Holds `in`, `processing`, `done`, `error` and `out`, all on one file system."""
    stable_seconds: NonNegativeFloat = 15.0
    """A file is taken when it has not changed for this long."""
    trigger: str | None = None
    """A file is taken only when another one with this ending (`.ok`) stands beside it."""
    checksum: bool = False
    """Every file comes with its SHA-256 in a file beside it, `name.sha256`."""
    stock: StockFeed | None = None
    orders: OrderFeed | None = None
    booked: BookedFeed | None = None
    export: Export | None = None
    sftp: Sftp | None = None
    batch: Annotated[int, Field(ge=1, le=50_000)] = CAPABILITIES.batch
    """Listings per exported file."""

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.stock is None and self.orders is None and self.export is None:
            raise ValueError("give at least one of `stock`, `orders` and `export`")
        if self.booked is not None and self.stock is None:
            raise ValueError("`booked` belongs to `stock`")
        return self
