"""Which column of a table is what: by the names in its header, whatever their case, spaces and punctuation."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from syncd.channels.files.decoding import Row, Unreadable

SEARCHED_ROWS: Final = 30
"""A title, a date and blank lines may stand before the header."""
NAMES: Final[Mapping[str, Sequence[str]]] = {
    "sku": ("sku", "item", "item no", "item number", "item code", "stock code", "product code", "part number",
            "part no", "article", "article number", "artikelnummer", "artikelnr", "artnr", "material", "code"),
    "quantity": ("quantity", "qty", "available stock", "available", "stock", "on hand", "soh", "free stock",
                 "stock on hand", "units", "count", "menge", "bestand", "lagerbestand"),
    "location": ("location", "warehouse", "site", "store", "branch", "depot", "lager", "lagerort", "loc"),
    "unit": ("unit", "uom", "unit of measure", "einheit", "me"),
    "pack": ("pack", "pack size", "case size", "case qty", "units per case", "ve", "verpackungseinheit"),
    "status": ("status", "state", "lifecycle", "order status"),
    "title": ("title", "name", "description", "bezeichnung"),
    "order": ("order", "order id", "order no", "order number", "po", "po number", "bestellung", "bestellnummer",
              "auftrag", "auftragsnummer"),
    "line": ("line", "line id", "line no", "line number", "position", "pos"),
    "placed_at": ("placed at", "order date", "ordered at", "created at", "date", "datum", "bestelldatum"),
    "updated_at": ("updated at", "changed at", "modified at", "last change"),
    "cancelled": ("cancelled", "canceled", "qty cancelled", "quantity cancelled", "storniert"),
    "shipped": ("shipped", "qty shipped", "quantity shipped", "fulfilled", "delivered", "geliefert"),
    "returned": ("returned", "qty returned", "quantity returned", "retoure"),
    "number": ("number", "document", "document number", "document no", "posting", "beleg", "belegnummer"),
    "type": ("type", "kind", "movement", "bewegungsart"),
}  # fmt: skip
_HIDDEN: Final = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_WRAPPED: Final = re.compile(r'="(?P<text>[^"]*)"')
_SCIENTIFIC: Final = re.compile(r"\d([.,]\d+)?[eE]\+\d+")
LONGEST_SKU: Final = 255


class Refusal(NamedTuple):
    """A row that cannot be used."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where each of the columns stands, and how wide a row is."""

    places: Mapping[str, int]
    width: int
    header: Sequence[str] = ()

    def has(self, name: str) -> bool:
        return name in self.places

    def cell(self, row: Row, name: str) -> str:
        place = self.places.get(name)
        return row.cells[place] if place is not None and place < len(row.cells) else ""

    def fault(self, row: Row) -> str:
        """Is the row as wide as the table? Empty cells may be missing at its end, or follow it."""
        if len(row.cells) == self.width:
            return ""
        if len(row.cells) > self.width:
            return f"{len(row.cells)} columns instead of {self.width}" if any(row.cells[self.width :]) else ""
        cut_off = any(place >= len(row.cells) for place in self.places.values())
        return f"{len(row.cells)} columns instead of {self.width}" if cut_off else ""


def found(
    table: Iterable[Row], wanted: Mapping[str, Sequence[str]], required: Sequence[str], *, has_header: bool
) -> tuple[Columns, Iterator[Row]]:
    """The columns, and the rows after the header. `wanted` are names set in the configuration.

    Raises Unreadable when a column that is required is not there, or two go by the same name.
    """
    rows = iter(table)
    if not has_header:
        return _by_number(wanted), rows
    names = {target: set(map(_plain, wanted.get(target, NAMES.get(target, ())))) for target in {*NAMES, *wanted}}
    first: Sequence[str] = ()
    for row, _ in zip(rows, range(SEARCHED_ROWS), strict=False):
        first = first or row.cells
        heads = [_plain(cell) for cell in row.cells]
        places = {target: [n for n, head in enumerate(heads) if head in names[target]] for target in names}
        if all(places[target] for target in required):
            return _one_each(places, row, required), rows
    if not first:
        raise Unreadable("the file is empty")
    missing = " and ".join(f"`{target}`" for target in required)
    raise Unreadable(
        f"no header with {missing} in the first rows, which begin with: {', '.join(first)[:200]}; "
        "name the columns in `columns`"
    )


def _one_each(places: Mapping[str, Sequence[int]], row: Row, required: Sequence[str]) -> Columns:
    chosen: dict[str, int] = {}
    for target, found_at in places.items():
        if len(found_at) > 1:
            heads = {row.cells[place].strip() for place in found_at}
            if target in required or len(heads) == 1:
                names = ", ".join(sorted(heads))
                raise Unreadable(f"several columns may be `{target}`: {names}; name the right one in `columns`")
            continue
        if found_at:
            chosen[target] = found_at[0]
    return Columns(places=chosen, width=_width(row.cells), header=row.cells)


def _by_number(wanted: Mapping[str, Sequence[str]]) -> Columns:
    try:
        places = {target: int(names[0]) - 1 for target, names in wanted.items()}
    except ValueError:
        raise Unreadable("without a header, `columns` gives the number of each column, from 1") from None
    return Columns(places=places, width=max(places.values()) + 1)


def _width(cells: Sequence[str]) -> int:
    """Without empty cells at the end."""
    return max((n for n, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", _HIDDEN.sub("", name)).casefold())


def sku_of(text: str, *, upper: bool) -> str:
    """The SKU in a cell, cleaned of what spreadsheets and keyboards leave in it.

    Raises ValueError for what a spreadsheet has spoilt, and for what cannot be a SKU.
    """
    if text.isascii() and text.isalnum() and len(text) <= LONGEST_SKU:
        return text.upper() if upper else text
    wrapped = _WRAPPED.fullmatch(text.strip())
    sku = _HIDDEN.sub("", wrapped["text"] if wrapped else text).replace("\u00a0", " ").strip()
    sku = unicodedata.normalize("NFC", sku)
    if not sku:
        raise ValueError("there is no SKU")
    if _SCIENTIFIC.fullmatch(sku):
        raise ValueError(f"{sku} was a long number before a spreadsheet shortened it; export the column as text")
    if not sku.isprintable() or len(sku) > LONGEST_SKU:
        raise ValueError(f"{sku[:40]!r} cannot be a SKU")
    return sku.upper() if upper else sku
