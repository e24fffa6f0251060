"""Reading what the shop shows: every item that keeps stock, or some listings now; and who keeps a variation's stock.

A variation either keeps stock of its own or sells from its product's. Then the product is the listing, and orders of
the variation are orders of it. Only the variation itself says which it is.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from syncd.channels.woocommerce.api import Api, Missing, Reply
from syncd.channels.woocommerce.values import (
    NOWHERE,
    Object,
    Unusable,
    item_alias,
    item_id,
    level,
    number,
    objects,
    parts_of,
    text,
)
from syncd.domain.errors import Retry
from syncd.domain.ids import ListingKey
from syncd.domain.listings import Span
from syncd.ports import CatalogueRow

FIELDS: Final = "id,parent_id,name,sku,type,status,manage_stock,stock_quantity,attributes"
STOCKLESS: Final = frozenset({"grouped", "external"})
"""Types that hold no stock themselves."""
AT_ONCE: Final = 100
VERIFIED_AT_MOST: Final = 10
"""So many items that a list lacks are asked for singly in one reading, before they are believed to be gone."""


class ProductReader:
    """`holders` grows with what was read: for a variation, whether it keeps its own stock."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._gone: set[tuple[int, int]] = set()
        self._names: dict[int, str] = {}
        self.holders: dict[int, bool] = {}

    async def read(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        """A page of products at a time, each with its variations."""
        page = 1
        while True:
            products, reply = await self._api.page(
                "products", number=page, orderby="id", order="asc", status="any", _fields=FIELDS
            )
            rows: list[CatalogueRow] = []
            for product in products:
                rows += await self._rows(product, reply)
            yield rows
            if self._api.is_last(products, reply, page):
                return
            page += 1

    async def levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        """Some listings as they are now; one whose item is gone is absent.

        A list that lacks an item proves nothing (a cache, a plugin that filters): the item itself has to be missing.
        """
        asked = {parts_of(key.remote_id) for key in keys} - {(0, 0)}
        found: dict[tuple[int, int], CatalogueRow] = {}
        for some in _chunks(sorted(product for product, variation in asked if not variation), AT_ONCE):
            products, at = await self._listed(some, "products")
            found |= _by_parts(_single(product, at) for product in products)
        for product, variations in _by_product(asked).items():
            for some in _chunks(variations, AT_ONCE):
                listed, at = await self._listed(some, "products", product, "variations")
                self._learn(listed)
                found |= _by_parts(_variation(product, self._names.get(product, ""), each, at) for each in listed)
        self._gone -= found.keys()
        await self._verify(sorted(asked - found.keys()), found)
        return list(found.values())

    async def resolve(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Learn who keeps the stock of these variations; one that is gone is taken to have kept its own."""
        unknown = {pair for pair in pairs if pair[1] not in self.holders}
        for product, variations in _by_product(unknown).items():
            for some in _chunks(variations, AT_ONCE):
                listed, _ = await self._listed(some, "products", product, "variations")
                self._learn(listed)
                for variation in some:
                    self.holders.setdefault(variation, True)

    def learn(self, variation: Object) -> None:
        """Take note of a variation's body that came by itself."""
        self._learn([variation])

    async def _rows(self, product: Any, reply: Reply) -> Sequence[CatalogueRow]:
        if type(product) is not dict or product.get("type") in STOCKLESS:
            return ()
        if not str(product.get("type")).startswith("variable"):
            row = _single(product, reply.at)
            return (row,) if row is not None else ()
        rows: list[CatalogueRow] = []
        number_of_it, name = _product_id(product), text(product.get("name"))
        self._names[number_of_it] = name
        sells_from_it = False
        async for variations, at in self._variations(product.get("id")):
            self._learn(variations)
            for each in variations:
                if type(each) is not dict:
                    continue
                if each.get("manage_stock") == "parent":
                    sells_from_it = True
                    continue
                row = _variation(number_of_it, name, each, at)
                rows += (row,) if row is not None else ()
        own = _single(product, reply.at) if sells_from_it else None
        return (own, *rows) if own is not None else rows

    async def _variations(self, product: Any) -> AsyncIterator[tuple[Sequence[Any], Span]]:
        page = 1
        while True:
            try:
                path = ("products", product, "variations")
                listed, reply = await self._api.page(
                    *path, number=page, orderby="id", order="asc", status="any", _fields=FIELDS
                )
            except Missing:  # deleted since the page of products was read
                return
            yield listed, reply.at
            if self._api.is_last(listed, reply, page):
                return
            page += 1

    async def _listed(self, ids: Sequence[int], *path: object) -> tuple[Sequence[Any], Span]:
        try:
            reply = await self._api.get(*path, include=ids, per_page=AT_ONCE, status="any", _fields=FIELDS)
        except Missing:  # of a product that is gone there are no variations
            return [], Span(0, 0)
        return reply.data if type(reply.data) is list else [], reply.at

    def _learn(self, variations: Iterable[Any]) -> None:
        for each in variations:
            try:
                self.holders[number(each.get("id"), "variation id")] = each.get("manage_stock") != "parent"
            except (Unusable, AttributeError):
                continue

    async def _verify(self, missing: Sequence[tuple[int, int]], found: dict[tuple[int, int], CatalogueRow]) -> None:
        """Ask for what the lists lacked, a few at a time: what was found to be gone is known at the next try."""
        unsure = [pair for pair in missing if pair not in self._gone]
        for product, variation in unsure[:VERIFIED_AT_MOST]:
            path = ("products", product, "variations", variation) if variation else ("products", product)
            try:
                reply = await self._api.get(*path, _fields=FIELDS)
            except Missing:
                self._gone.add((product, variation))
                continue
            body = reply.data if type(reply.data) is dict else {}
            if body.get("status") == "trash":
                self._gone.add((product, variation))
                continue
            name = self._names.get(product, "")
            row = _variation(product, name, body, reply.at) if variation else _single(body, reply.at)
            if row is None:
                raise Retry(f"{'/'.join(str(piece) for piece in path)}: an answer that cannot be used")
            found[product, variation] = row
        if len(unsure) > VERIFIED_AT_MOST:
            raise Retry(f"{len(missing)} of the items asked for were not in the shop's lists", after_seconds=1.0)


def _single(product: Any, at: Span) -> CatalogueRow | None:
    """The row of a product itself. One whose figure cannot be read is left out: nothing may be concluded from it."""
    try:
        return _row(product, number(product.get("id"), "product id"), 0, text(product.get("name")), at)
    except (Unusable, AttributeError):
        return None


def _variation(product: int, name: str, body: Any, at: Span) -> CatalogueRow | None:
    try:
        options = [text(each.get("option")) for each in objects(body.get("attributes"), "attributes")]
        title = " - ".join(part for part in (name, ", ".join(filter(None, options))) if part)
        return _row(body, product, number(body.get("id"), "variation id"), title, at)
    except (Unusable, AttributeError):
        return None


def _row(body: Mapping[str, Any], product: int, variation: int, title: str, at: Span) -> CatalogueRow:
    return CatalogueRow(
        remote_id=item_id(product, variation),
        remote_location=NOWHERE,
        alias=item_alias(product, variation),
        sku_text=text(body.get("sku")),
        title=title,
        units=units_kept(body),
        committed=0,
        at=at,
    )


def units_kept(body: Mapping[str, Any]) -> int | None:
    """The item's own figure; None when it keeps none of its own. One that was never set is zero to the shop."""
    if body.get("manage_stock") is not True:
        return None
    quantity = body.get("stock_quantity")
    return 0 if quantity is None else level(quantity, "stock_quantity")


def _product_id(product: Mapping[str, Any]) -> int:
    try:
        return number(product.get("id"), "product id")
    except Unusable:
        return 0


def _by_parts(rows: Iterable[CatalogueRow | None]) -> dict[tuple[int, int], CatalogueRow]:
    return {parts_of(row.remote_id): row for row in rows if row is not None}


def _by_product(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for product, variation in sorted(pairs):
        if variation:
            found.setdefault(product, []).append(variation)
    return found


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))
