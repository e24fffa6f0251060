"""From an inventory item and its levels to the rows of a catalogue. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from syncd.channels.shopify.values import Object, Unusable, alias, item_gid, level, location_gid, named, objects, text
from syncd.domain.ids import RemoteLocation
from syncd.domain.listings import Span
from syncd.ports import CatalogueRow

When = Callable[[Mapping[str, Any]], Span]
"""The as-of of one level; of an item without one, of an empty mapping."""


def rows_of(
    item: Object, levels: Iterable[Any], places: Iterable[RemoteLocation], when: When
) -> Iterator[CatalogueRow]:
    """One row for each of the places; where the item is not stocked the row is inactive and shows nothing.

    An item whose id or figures cannot be read is left out: it is not gone, and nothing may be concluded from it.
    """
    try:
        remote_id = item_gid(item.get("id"))
        held = {
            location_gid(named(named(each, "level").get("location"), "location").get("id")): each for each in levels
        }
    except Unusable:
        return
    variant = item.get("variant")
    variant = variant if isinstance(variant, dict) else {}
    try:
        known_as = alias(variant.get("id"))
    except Unusable:
        known_as = None
    title = _title(variant)
    for place in places:
        stock = held.get(place, {})
        try:
            available, committed = _figures(stock)
        except Unusable:
            continue
        yield CatalogueRow(
            remote_id=remote_id,
            remote_location=place,
            alias=known_as,
            sku_text=text(item.get("sku")),
            title=title,
            units=available if item.get("tracked") is not False else None,
            committed=committed,
            at=when(stock),
            active=bool(stock) and stock.get("isActive") is not False,
        )


def _figures(stock: Mapping[str, Any]) -> tuple[int, int]:
    if not stock:
        return 0, 0
    told: dict[str, int] = {}
    for each in objects(stock.get("quantities"), "quantities"):
        entry = named(each, "quantity")
        told[text(entry.get("name"))] = level(entry.get("quantity"), "quantity")
    if "available" not in told:
        raise Unusable("available is missing")
    return told["available"], told.get("committed", 0)


def _title(variant: Mapping[str, Any]) -> str:
    product = variant.get("product")
    names: Sequence[str] = (
        text(product.get("title")) if isinstance(product, dict) else "",
        text(variant.get("title")),
    )
    return " - ".join(name for name in names if name and name != "Default Title")
