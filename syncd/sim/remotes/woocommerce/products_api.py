"""Products and variations over the API: lists, single ones, edits, and batches with an outcome for each row."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from syncd.sim.remotes.woocommerce.access import ApiError
from syncd.sim.remotes.woocommerce.bodies import product_body, variation_body
from syncd.sim.remotes.woocommerce.paging import Answer, invalid, listed, numbers, only, page_of, sorted_by
from syncd.sim.remotes.woocommerce.records import Product

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.shop import Shop

BATCH_AT_MOST: Final = 100
_ORDERS: Final[Mapping[str, Callable[[Product], Any]]] = {
    "date": lambda product: (product.created, product.id),
    "id": lambda product: product.id,
    "modified": lambda product: (product.modified, product.id),
    "title": lambda product: product.name,
    "include": lambda product: product.id,
}


def list_products(shop: "Shop", url: str, query: Mapping[str, str], parent: Product | None = None) -> Answer:
    """Products, or the variations of one. What is in the bin is not listed."""
    skus, include, kinds = listed(query, "sku"), numbers(query, "include"), listed(query, "type")
    found = [
        product
        for product in shop.products.values()
        if product.parent is parent
        and product.status != "trash"
        and (query.get("status", "any") in ("any", product.status))
        and (not include or product.id in include)
        and (not skus or product.sku in skus)
        and (not kinds or product.type in kinds)
    ]
    show = variation_body if parent is not None else product_body
    return page_of(sorted_by(found, query, _ORDERS), query, lambda product: show(product, url))


def find_product(shop: "Shop", number: str, parent: Product | None = None) -> Product:
    """A variation is only found through its product (rest-api products controller)."""
    product = shop.products.get(int(number)) if number.isdigit() else None
    if product is None or product.parent is not parent:
        what = "product_variation" if parent is not None else "product"
        raise ApiError(404, f"woocommerce_rest_{what}_invalid_id", "Invalid ID.")
    return product


def show_product(product: Product, url: str, query: Mapping[str, str]) -> Answer:
    body = variation_body(product, url) if product.parent is not None else product_body(product, url)
    return Answer(body=only(body, query))


def create_product(shop: "Shop", url: str, given: Mapping[str, Any]) -> Answer:
    sku = str(given.get("sku", ""))
    _refuse_taken(shop, sku, None)
    made = shop.add_product(
        sku,
        _units(given, "stock_quantity") or 0,
        name=str(given.get("name", "")),
        manage_stock=bool(given.get("manage_stock", False)),
    )
    return Answer(status=201, body=product_body(made, url))


def edit(shop: "Shop", product: Product, given: Mapping[str, Any]) -> None:
    """Stock is only taken where the item manages its own; saving dates and tells the product in any case."""
    if "sku" in given:
        _refuse_taken(shop, str(given["sku"]), product)
    quantity, delta = _units(given, "stock_quantity"), _units(given, "inventory_delta")
    plain = {name: given[name] for name in ("sku", "name", "status", "backorders", "manage_stock") if name in given}
    with shop.acting():
        if plain:
            shop.change(product, **plain)
        if quantity is None and delta is not None:
            quantity = (product.stock or 0) + delta
        shop.set_stock(product, quantity if quantity is not None else product.stock or 0, cause="app")


def batch(shop: "Shop", url: str, given: Mapping[str, Any], parent: Product | None = None) -> Answer:
    """Row by row, each with its own outcome; a bad row does not hold up the others."""
    rows: Sequence[Any] = given.get("update") or ()
    if sum(len(given.get(what) or ()) for what in ("create", "update", "delete")) > BATCH_AT_MOST:
        told = f"Unable to accept more than {BATCH_AT_MOST} items for this request."
        raise ApiError(413, "woocommerce_rest_request_entity_too_large", told)
    return Answer(body={"update": [_row(shop, url, row, parent) for row in rows]})


def _row(shop: "Shop", url: str, given: Any, parent: Product | None) -> Mapping[str, Any]:
    number = given.get("id") if isinstance(given, dict) else None
    try:
        product = find_product(shop, str(number), parent)
        edit(shop, product, given)
    except ApiError as error:
        status = 400 if error.code.endswith("invalid_id") else error.status
        told = {"code": error.code, "message": error.message, "data": {"status": status}}
        return {"id": number, "error": told}
    return variation_body(product, url) if parent is not None else product_body(product, url)


def _units(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).lstrip("-").isdigit():
        raise invalid(name)
    return int(value)


def _refuse_taken(shop: "Shop", sku: str, product: Product | None) -> None:
    if sku and any(each.sku == sku and each is not product for each in shop.products.values()):
        raise ApiError(400, "product_invalid_sku", "Invalid or duplicated SKU.")
