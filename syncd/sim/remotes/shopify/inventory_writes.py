"""The four quantity mutations as decisions: check everything, then change all of it or nothing.

Texts and field paths as recorded from a live shop; where no recording exists the text is our own wording.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncd.sim.remotes.shopify.ids import gid, number_of
from syncd.sim.remotes.shopify.records import QUANTITY_NAMES, UNAVAILABLE_NAMES, Item, Level, Location
from syncd.sim.remotes.shopify.subscriptions import UserError

if TYPE_CHECKING:
    from syncd.sim.remotes.shopify.shop import Shop

REASONS = (
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
)
ADJUSTABLE = ("available", "damaged", "incoming", "quality_control", "reserved", "safety_stock")
BILLION = 1_000_000_000
STALE = "The changeFromQuantity argument no longer matches the persisted quantity."
NOT_STOCKED = "The specified inventory item is not stocked at the location."

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    name: str
    delta: int
    item: Item
    location: Location
    ledger_document_uri: str | None = None
    quantity_after_change: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class AdjustmentGroup:
    id: str
    created_at: datetime
    reason: str
    reference_document_uri: str | None
    changes: list[Change]
    app: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    inventory_adjustment_group: AdjustmentGroup | None = None
    user_errors: list[UserError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    item: Item
    location: Location
    moved: dict[str, int]
    ledger_document_uri: str | None = None


@dataclass(slots=True)
class Plan:
    """The changes that will be made once nothing stands against any of them."""

    shop: "Shop"
    version: str
    errors: list[UserError] = field(default_factory=list)
    stale: tuple[str, str] | None = None
    steps: list["Step"] = field(default_factory=list)

    def refuse(self, path: Sequence[str] | None, message: str, code: str) -> None:
        self.errors.append(UserError(None if path is None else list(path), message, code))

    def reason(self, given: Row) -> None:
        if given["reason"] not in REASONS:
            told = f"The specified reason is invalid. Valid values are: {', '.join(REASONS)}."
            self.refuse(["input", "reason"], told, "INVALID_REASON")

    def reference(self, given: Row) -> None:
        uri = given.get("referenceDocumentUri")
        if uri is not None and not _has_scheme(uri):
            told = "The specified reference document is not a valid URI."
            self.refuse(["input", "referenceDocumentUri"], told, "INVALID_REFERENCE_DOCUMENT")

    def item(self, path: list[str], global_id: str) -> Item | None:
        item = self.shop.items.get(number_of(global_id, "InventoryItem") or 0)
        if item is None:
            self.refuse(path, "The specified inventory item could not be found.", "INVALID_INVENTORY_ITEM")
        elif item.is_bundle:
            told = "The specified inventory item is not allowed to be adjusted via API."
            self.refuse(path, told, "NON_MUTABLE_INVENTORY_ITEM")
        return item

    def location(self, path: list[str], global_id: str) -> Location | None:
        location = self.shop.locations.get(number_of(global_id, "Location") or 0)
        if location is None or not location.active:
            self.refuse(path, "The specified location could not be found.", "INVALID_LOCATION")
            return None
        return location

    def held(self, path: list[str], item: Item | None, location: Location | None) -> Mapping[str, int] | None:
        """The quantities now; up to 2026-07 the item must be stocked there, later it counts as held at nothing."""
        if item is None or location is None:
            return None
        level = self.shop.level(item, location)
        if self.version <= "2026-07" and (level is None or not level.active):
            self.refuse(path, NOT_STOCKED, "ITEM_NOT_STOCKED_AT_LOCATION")
            return None
        return level.quantities if level is not None else dict.fromkeys(QUANTITY_NAMES, 0)

    def compare(self, held: Mapping[str, int] | None, name: str, given: Row) -> None:
        expected = given.get("changeFromQuantity")
        if held is not None and expected is not None and held.get(name) != expected:
            self.stale = (STALE, "CHANGE_FROM_QUANTITY_STALE")

    def carry_out(self, what: str, given: Row) -> Outcome:
        if not self.errors and self.stale is not None:
            self.refuse(None, *self.stale)
        if self.errors:
            return Outcome(user_errors=self.errors)
        steps = [step for step in self.steps if any(step.moved.values())]
        if not steps:
            return Outcome()
        shop = self.shop
        number = shop.numbers.next("InventoryAdjustmentGroup")
        changes: list[Change] = []
        with shop.acting("app"):
            for step in steps:
                shop.move(self._level(step), what, given.get("referenceDocumentUri") or f"group:{number}", **step.moved)
                changes += _changes(step)
        return Outcome(
            inventory_adjustment_group=AdjustmentGroup(
                id=gid("InventoryAdjustmentGroup", number),
                created_at=shop.second,
                reason=given["reason"],
                reference_document_uri=given.get("referenceDocumentUri"),
                changes=changes,
            )
        )

    def _level(self, step: Step) -> Level:
        """Writing to an unstocked item follows the shop's `unstocked_writes`."""
        level = self.shop.level(step.item, step.location)
        if level is not None and (level.active or self.shop.unstocked_writes == "store"):
            return level
        return self.shop.stock_at(step.item, step.location)


def _changes(step: Step) -> list[Change]:
    return [
        Change(
            name=name,
            delta=step.moved[name],
            item=step.item,
            location=step.location,
            ledger_document_uri=step.ledger_document_uri,
        )
        for name in sorted(step.moved, key=lambda name: name == "on_hand")
        if step.moved[name]
    ]


def set_quantities(shop: "Shop", version: str, given: Row) -> Outcome:
    """inventorySetQuantities: absolute values of `available` or `on_hand`."""
    plan, name = Plan(shop, version), given["name"]
    plan.reason(given)
    plan.reference(given)
    if name not in ("available", "on_hand"):
        plan.refuse(["input", "name"], "The quantity name must be either 'available' or 'on_hand'.", "INVALID_NAME")
    if version == "2026-01" and not _compares(given):
        told = "The compareQuantity argument must be given to each quantity or ignored using ignoreCompareQuantity."
        plan.refuse(["input", "ignoreCompareQuantity"], told, "COMPARE_QUANTITY_REQUIRED")
    lowest = 0 if name == "on_hand" else -BILLION
    _set_rows(plan, name, "quantities", given["quantities"], lowest=lowest, ignore=given.get("ignoreCompareQuantity"))
    return plan.carry_out("set by API", given)


def set_on_hand(shop: "Shop", version: str, given: Row) -> Outcome:
    """inventorySetOnHandQuantities, the deprecated way to set `on_hand`."""
    plan = Plan(shop, version)
    plan.reason(given)
    plan.reference(given)
    _set_rows(plan, "on_hand", "setQuantities", given["setQuantities"], lowest=0, ignore=None)
    return plan.carry_out("on hand set by API", given)


def _set_rows(plan: Plan, name: str, key: str, rows: Sequence[Row], *, lowest: int, ignore: bool | None) -> None:
    seen: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        at = ["input", key, str(index)]
        seen.setdefault((row["inventoryItemId"], row["locationId"]), []).append(index)
        item = plan.item([*at, "inventoryItemId"], row["inventoryItemId"])
        location = plan.location([*at, "locationId"], row["locationId"])
        _bounds(plan, [*at, "quantity"], row["quantity"], lowest)
        held = plan.held([*at, "locationId"], item, location)
        if item is None or location is None or held is None or name not in ("available", "on_hand"):
            continue
        plan.compare(held, name, row)
        if not ignore and "changeFromQuantity" not in row and row.get("compareQuantity") not in (None, held[name]):
            plan.stale = (STALE.replace("changeFromQuantity", "compareQuantity"), "COMPARE_QUANTITY_STALE")
        delta = row["quantity"] - held[name]
        plan.steps.append(Step(item, location, {"available": delta, "on_hand": delta}))
    twice = sorted(index for places in seen.values() if len(places) > 1 for index in places)
    for index in twice:
        told = "The combination of inventoryItemId and locationId must be unique."
        where = ["input", key, str(index), "locationId"]
        plan.refuse(where, told, "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR")


def _bounds(plan: Plan, path: list[str], value: int, lowest: int) -> None:
    if value > BILLION:
        plan.refuse(path, f"The quantity can't be higher than {BILLION:,}.", "INVALID_QUANTITY_TOO_HIGH")
    elif value < 0 and lowest == 0:
        plan.refuse(path, "The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE")
    elif value < lowest:
        plan.refuse(path, f"The quantity can't be lower than {lowest:,}.", "INVALID_QUANTITY_TOO_LOW")


def _compares(given: Row) -> bool:
    if given.get("ignoreCompareQuantity"):
        return True
    return all("changeFromQuantity" in row or row.get("compareQuantity") is not None for row in given["quantities"])


def adjust_quantities(shop: "Shop", version: str, given: Row) -> Outcome:
    """inventoryAdjustQuantities: deltas of one named quantity."""
    plan, name = Plan(shop, version), given["name"]
    plan.reason(given)
    plan.reference(given)
    if name not in ADJUSTABLE:
        told = f"The specified quantity name is invalid. Valid values are: {', '.join(ADJUSTABLE)}."
        plan.refuse(["input", "name"], told, "INVALID_QUANTITY_NAME")
        return plan.carry_out("", given)
    uris = set()
    for index, row in enumerate(given["changes"]):
        at = ["input", "changes", str(index)]
        item = plan.item([*at, "inventoryItemId"], row["inventoryItemId"])
        location = plan.location([*at, "locationId"], row["locationId"])
        _ledger(plan, [*at, "ledgerDocumentUri"], name, row.get("ledgerDocumentUri"))
        uris.add(row.get("ledgerDocumentUri"))
        if abs(row["delta"]) > 2 * BILLION:
            side, code = (
                ("higher", "INVALID_QUANTITY_TOO_HIGH") if row["delta"] > 0 else ("lower", "INVALID_QUANTITY_TOO_LOW")
            )
            sign = "" if row["delta"] > 0 else "-"
            plan.refuse([*at, "delta"], f"The quantity can't be {side} than {sign}{2 * BILLION:,}.", code)
        held = plan.held([*at, "locationId"], item, location)
        plan.compare(held, name, row)
        if item is not None and location is not None and held is not None:
            moved = {name: row["delta"]} if name == "incoming" else {name: row["delta"], "on_hand": row["delta"]}
            plan.steps.append(Step(item, location, moved, row.get("ledgerDocumentUri")))
    if not plan.errors and len(uris) > 1:
        told = (
            "All changes must have the same ledger document URI or, in the case of adjusting available, "
            "no ledger document URI."
        )
        plan.refuse(["input", "changes"], told, "MAX_ONE_LEDGER_DOCUMENT")
    return plan.carry_out("adjusted by API", given)


def _ledger(plan: Plan, path: list[str], name: str, uri: str | None) -> None:
    if name == "available":
        if uri is not None:
            told = "A ledger document URI is not allowed when adjusting available."
            plan.refuse(path, told, "INVALID_AVAILABLE_DOCUMENT")
    elif uri is None:
        told = "A ledger document URI is required except when adjusting available."
        plan.refuse(path, told, "INVALID_QUANTITY_DOCUMENT")
    elif uri.startswith("gid://shopify/"):
        told = "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API."
        plan.refuse(path, told, "INTERNAL_LEDGER_DOCUMENT")
    elif not _has_scheme(uri):
        plan.refuse(path, "The specified ledger document is not a valid URI.", "INVALID_LEDGER_DOCUMENT")


def move_quantities(shop: "Shop", version: str, given: Row) -> Outcome:
    """inventoryMoveQuantities: units from one named quantity to another at one location."""
    plan = Plan(shop, version)
    plan.reason(given)
    plan.reference(given)
    uris = set()
    for index, row in enumerate(given["changes"]):
        at = ["input", "changes", str(index)]
        item = plan.item([*at, "inventoryItemId"], row["inventoryItemId"])
        ends = [
            (side, row[side], plan.location([*at, side, "locationId"], row[side]["locationId"]))
            for side in ("from", "to")
        ]
        for side, end, _ in ends:
            if end["name"] not in ADJUSTABLE:
                plan.refuse([*at, side, "name"], "The specified quantity name is invalid.", "INVALID_QUANTITY_NAME")
            _ledger(plan, [*at, side, "ledgerDocumentUri"], end["name"], end.get("ledgerDocumentUri"))
            uris.add(end.get("ledgerDocumentUri"))
        _move_shape(plan, at, row)
        location = ends[0][2]
        if item is None or location is None or plan.errors:
            continue
        held = plan.held([*at, "from", "locationId"], item, location)
        for _, end, _ in ends:
            plan.compare(held, end["name"], end)
        if held is not None:
            moved = {row["from"]["name"]: -row["quantity"], row["to"]["name"]: row["quantity"]}
            moved["on_hand"] = sum(delta for name, delta in moved.items() if name in ("available", *UNAVAILABLE_NAMES))
            uri = row["to"].get("ledgerDocumentUri") or row["from"].get("ledgerDocumentUri")
            plan.steps.append(Step(item, location, moved, uri))
    if len(uris - {None}) > 2:
        told = "The maximum number of ledger document URIs is 2."
        plan.refuse(["input", "changes"], told, "MAXIMUM_LEDGER_DOCUMENT_URIS")
    return plan.carry_out("moved by API", given)


def _move_shape(plan: Plan, at: list[str], row: Row) -> None:
    if row["from"]["locationId"] != row["to"]["locationId"]:
        told = "The quantities can't be moved between different locations."
        plan.refuse(at, told, "DIFFERENT_LOCATIONS")
    elif row["from"]["name"] == row["to"]["name"]:
        plan.refuse(at, "The quantity names for each change can't be the same.", "SAME_QUANTITY_NAME")
    _bounds(plan, [*at, "quantity"], row["quantity"], 0)


def _has_scheme(uri: str) -> bool:
    scheme, mark, rest = uri.partition("://")
    return bool(mark and rest) and scheme.replace("+", "").replace("-", "").isalnum()


QUANTITY_MUTATIONS: dict[str, Callable[["Shop", str, Row], Outcome]] = {
    "inventorySetQuantities": set_quantities,
    "inventorySetOnHandQuantities": set_on_hand,
    "inventoryAdjustQuantities": adjust_quantities,
    "inventoryMoveQuantities": move_quantities,
}
