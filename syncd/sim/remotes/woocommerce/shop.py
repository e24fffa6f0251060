"""One simulated shop: its records, and what its buyers and staff do to them."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from syncd.sim.remotes.woocommerce.records import (
    REDUCING,
    RESTORING,
    Event,
    Line,
    Movement,
    Order,
    Product,
    Refund,
    ShopRefused,
    SoldOut,
    Webhook,
)

Wish = tuple[Product, int]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Shop:
    """The shop's own truth, driven by its buyers and staff in-process and by an app over HTTP (see `server`).

    Single-threaded, every method done when it returns. `books` hold every step of every stock figure.
    """

    def __init__(
        self,
        *,
        name: str = "Simulated",
        now: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        consumer_key: str = "ck_simulated",
        consumer_secret: str = "cs_simulated",  # noqa: S107 - a simulated shop's secret guards nothing
        version: str = "8.4.0",
    ) -> None:
        self.name = name
        self.now = now
        self.rng = rng or random.Random(0)  # noqa: S311 - repeatable on purpose
        self.version = version
        self.keys: dict[str, tuple[str, str]] = {consumer_key: (consumer_secret, "read_write")}
        """Consumer key: its secret and its permissions (read, write, read_write)."""
        self.products: dict[int, Product] = {}
        self.orders: dict[int, Order] = {}
        self.webhooks: dict[int, Webhook] = {}
        self.books: list[Movement] = []
        self.listeners: list[Callable[[Event], None]] = []
        self.keeps_stock = True
        self.custom_statuses: dict[str, str] = {}
        """Slug to name of what plugins added."""
        self._number = 10
        self._webhook_number = 0
        self._told: dict[tuple[str, int], None] | None = None

    @property
    def second(self) -> datetime:
        return self.now().replace(microsecond=0)

    # The catalogue

    def add_product(
        self,
        sku: str,
        stock: int | None = 10,
        *,
        name: str = "",
        manage_stock: bool = True,
        backorders: Literal["no", "notify", "yes"] = "no",
        type: str = "simple",
    ) -> Product:
        with self.acting():
            at = self.second
            made = Product(
                id=self._next(),
                name=name or sku or "Nameless",
                sku=sku,
                type=type,
                manage_stock=manage_stock,
                stock=stock if manage_stock else None,
                created=at,
                modified=at,
                backorders=backorders,
            )
            self.products[made.id] = made
            self._tell("product.created", made.id)
        return made

    def add_variation(
        self, product: Product, sku: str, stock: int | None = 10, *, manage_stock: bool = True, option: str = ""
    ) -> Product:
        """Without stock management of its own it sells from its product's stock, if that is managed."""
        made = self.add_product(sku, stock, name=product.name, manage_stock=manage_stock, type="variation")
        made.parent, made.option, made.backorders = product, option or sku, product.backorders
        product.type = "variable"
        product.variations.append(made)
        return made

    def change(self, product: Product, **fields: object) -> None:
        """As the staff edits a product: sku, manage_stock, status, backorders."""
        with self.acting():
            for name, value in fields.items():
                setattr(product, name, value)
            self._save_product(product)

    def set_stock(self, product: Product, units: int, *, cause: str = "staff") -> None:
        with self.acting():
            if product.manage_stock:
                self._move(product, units - (product.stock or 0), cause)
            self._save_product(product)

    def stock(self, product: Product) -> int | None:
        holder = product.holder
        return None if holder is None else holder.stock or 0

    def trash_product(self, product: Product) -> None:
        with self.acting():
            product.status = "trash"
            self._tell("product.deleted", product.id)

    def restore_product(self, product: Product) -> None:
        with self.acting():
            product.status = "publish"
            self._tell("product.restored", product.id)

    def delete_product(self, product: Product) -> None:
        with self.acting():
            for each in (product, *product.variations):
                self.products.pop(each.id, None)
            if product.parent is not None:
                product.parent.variations.remove(product)
            self._tell("product.deleted", product.id)

    # Orders

    def place_order(self, wishes: Sequence[Wish], *, status: str = "processing", pays: bool | None = None) -> Order:
        """A buyer orders: refused when there is not enough, unless back-orders are taken.

        `status` is what it comes to at once: `pending` (not paid), `on-hold` (a transfer is awaited), `processing`.
        """
        wanted: dict[Product, int] = {}
        for product, quantity in wishes:
            holder = product.holder
            if holder is not None:
                wanted[holder] = wanted.get(holder, 0) + quantity
        for holder, quantity in wanted.items():
            if holder.backorders == "no" and quantity > (holder.stock or 0):
                raise SoldOut(f"{holder.sku}: {quantity} wanted, {holder.stock} there")
        return self.make_order(wishes, status=status, pays=pays)

    def make_order(self, wishes: Sequence[Wish], *, status: str = "pending", pays: bool | None = None) -> Order:
        """As through the API, which checks no stock."""
        with self.acting():
            at = self.second
            order = Order(id=self._next(), status="pending", created=at, modified=at, lines=[])
            order.lines = [self._line(product, quantity) for product, quantity in wishes]
            self.orders[order.id] = order
            self._tell("order.created", order.id)
            if status == "checkout-draft":
                order.status = status
            elif status != "pending" or pays:
                self.set_status(order, "processing" if pays and status == "pending" else status)
        return order

    def set_status(self, order: Order, status: str) -> None:
        """Stock moves by the status that is come into, as WooCommerce's own hooks have it."""
        with self.acting():
            order.status = status
            if status in ("processing", "completed") and order.paid is None:
                order.paid = self.second
            if status == "completed":
                order.completed = self.second
            self._save_order(order)
            if status in REDUCING and not order.stock_reduced:
                self._reduce(order)
            elif status in RESTORING and order.stock_reduced:
                self._restore(order)

    def pay(self, order: Order) -> None:
        self.set_status(order, "processing")

    def complete(self, order: Order) -> None:
        self.set_status(order, "completed")

    def cancel(self, order: Order) -> None:
        self.set_status(order, "cancelled")

    def refund(self, order: Order, lines: Sequence[tuple[Line, int]], *, restock: bool) -> Refund:
        """Refund units of lines, or nothing but money. All refunded makes the order `refunded`."""
        for line, units in lines:
            if units <= 0 or units > line.quantity - self.refunded(order, line):
                raise ShopRefused(f"{units} of line {line.id} cannot be refunded")
        with self.acting():
            made = Refund(
                id=self._next(), created=self.second, lines=[(self._next(), line, units) for line, units in lines]
            )
            order.refunds.append(made)
            for line, units in lines if restock else ():
                holder = line.product.holder
                if line.reduced and holder is not None:
                    self._move(holder, units, f"order:{order.id}")
                    self._save_product(holder)
                    line.reduced -= units
                    line.restocked = (line.restocked or 0) + units
            if all(self.refunded(order, line) >= line.quantity for line in order.lines):
                order.status = "refunded"
            self._save_order(order)
        return made

    def refunded(self, order: Order, line: Line) -> int:
        return sum(units for refund in order.refunds for _, each, units in refund.lines if each is line)

    def edit(
        self,
        order: Order,
        *,
        quantities: Sequence[tuple[Line, int]] = (),
        remove: Sequence[Line] = (),
        add: Sequence[Wish] = (),
    ) -> None:
        """As the staff edits an order in the admin: the stock of lines that had taken some follows."""
        with self.acting():
            for line, quantity in quantities:
                self._adjust(order, line, quantity)
            for line in remove:
                self._adjust(order, line, 0)
                order.lines.remove(line)
            for product, quantity in add:
                line = self._line(product, quantity)
                order.lines.append(line)
                if order.stock_reduced:
                    self._take(order, line)
            self._save_order(order)

    def touch(self, order: Order) -> None:
        """A note, an address: the order is saved and nothing of ours changes."""
        with self.acting():
            self._save_order(order)

    def trash_order(self, order: Order) -> None:
        """Stock is not put back."""
        with self.acting():
            order.status = "trash"
            self._tell("order.deleted", order.id)

    # Webhooks

    def add_webhook(self, topic: str, url: str, secret: str, *, name: str = "", status: str = "active") -> Webhook:
        self._webhook_number += 1
        at = self.second
        made = Webhook(
            id=self._webhook_number,
            name=name or topic,
            topic=topic,
            delivery_url=url,
            secret=secret,
            status=status,
            created=at,
            modified=at,
        )
        self.webhooks[made.id] = made
        return made

    # Inside

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Gather what is to be told and tell it at the end, each thing once, as within one request of the vendor's."""
        if self._told is not None:
            yield
            return
        told = self._told = {}
        try:
            yield
        finally:
            self._told = None
        for topic, subject in told:
            for listener in list(self.listeners):
                listener(Event(topic=topic, subject=subject))

    def _tell(self, topic: str, subject: int) -> None:
        if self._told is not None:
            self._told[topic, subject] = None

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _line(self, product: Product, quantity: int) -> Line:
        return Line(id=self._next(), product=product, quantity=quantity, name=product.name, sku=product.sku)

    def _save_order(self, order: Order) -> None:
        order.modified = self.second
        self._tell("order.updated", order.id)

    def _save_product(self, product: Product) -> None:
        """Saving a product dates and tells it, whether or not anything changed."""
        product.modified = self.second
        self._tell("product.updated", product.id)

    def _move(self, product: Product, delta: int, cause: str) -> None:
        product.stock = (product.stock or 0) + delta
        if delta:
            self.books.append(Movement(at=self.now(), product=product, delta=delta, after=product.stock, cause=cause))

    def _reduce(self, order: Order) -> None:
        for line in order.lines:
            self._take(order, line)
        order.stock_reduced = True

    def _take(self, order: Order, line: Line) -> None:
        holder = line.product.holder
        if line.reduced or holder is None or not self.keeps_stock:
            return
        self._move(holder, -line.quantity, f"order:{order.id}")
        self._save_product(holder)
        line.reduced = line.quantity

    def _restore(self, order: Order) -> None:
        for line in order.lines:
            holder = line.product.holder
            if line.reduced and holder is not None:
                self._move(holder, line.reduced, f"order:{order.id}")
                self._save_product(holder)
                line.reduced = None
        order.stock_reduced = False

    def _adjust(self, order: Order, line: Line, quantity: int) -> None:
        holder = line.product.holder
        if line.reduced is not None and holder is not None:
            self._move(holder, line.reduced - quantity, f"order:{order.id}")
            self._save_product(holder)
            line.reduced = quantity
        line.quantity = quantity
