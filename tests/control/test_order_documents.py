"""What became of each line, as `orders list` tells it."""

from dataclasses import replace

from syncd.control.orders import order_document, why_no_effect
from syncd.domain.ids import Alias, ChannelId, LineId, LocationId, OrderId, PartId, RemoteLocation, Sku
from syncd.domain.listings import WriteKind
from syncd.domain.orders import Binding, Fulfilment, Line, Order, RefundLine, Restock
from syncd.domain.setup import ChannelSetup, Setup

SHOP = ChannelId("shop")
MAIN, ANNEX, ELSEWHERE = RemoteLocation("main"), RemoteLocation("annex"), RemoteLocation("elsewhere")
WAREHOUSE, STORE = LocationId("warehouse"), LocationId("store")
ONE = LineId("1")
SETUP = Setup(
    channels={
        SHOP: ChannelSetup(
            channel=SHOP, kind="x", write=WriteKind.RELATIVE, locations={MAIN: (WAREHOUSE,), ANNEX: (STORE,)}
        )
    },
    locations=(WAREHOUSE, STORE),
)
PLACES = ((MAIN, WAREHOUSE), (ANNEX, STORE))
LINE = Line(line_id=ONE, item=Alias("7"), ordered=5, version=1, at=1000, location=MAIN, sku_text="TEE")
ORDER = Order(
    order_id=OrderId("900"),
    name="#1001",
    placed_at=1000,
    lines={ONE: LINE},
    bindings={ONE: Binding(sku=Sku("TEE"), home=MAIN, places=PLACES)},
)


def shipped(part: str, units: int, at: RemoteLocation = MAIN, cancelled_at: int | None = None) -> Fulfilment:
    return Fulfilment(
        part_id=PartId(part), at=2000, version=1, lines=((ONE, units),), location=at, cancelled_at=cancelled_at
    )


def refunded(part: str, units: int, restock: Restock) -> RefundLine:
    return RefundLine(part_id=PartId(part), at=3000, line_id=ONE, units=units, restock=restock, location=MAIN)


def line_of(order: Order) -> dict[str, object]:
    document = order_document(SHOP, order)
    return dict(document["lines"][0])


def test_an_open_line_shows_what_was_ordered_and_where_it_is_promised() -> None:
    assert order_document(SHOP, ORDER) == {
        "channel": "shop",
        "order_id": "900",
        "name": "#1001",
        "placed_at": order_document(SHOP, ORDER)["placed_at"],
        "lines": [
            {
                "line_id": "1",
                "sku": "TEE",
                "ordered": 5,
                "cancelled": 0,
                "fulfilled": 0,
                "restocked": 0,
                "location": "warehouse",
                "sku_text": "TEE",
                "no_stock": None,
            }
        ],
    }


def test_a_cancelled_fulfilment_does_not_count_as_fulfilled() -> None:
    order = replace(ORDER, fulfilments={PartId("a"): shipped("a", 2), PartId("b"): shipped("b", 3, cancelled_at=2500)})

    assert line_of(order)["fulfilled"] == 2


def test_what_an_edit_removed_counts_as_cancelled() -> None:
    order = replace(ORDER, lines={ONE: replace(LINE, removed=2, removed_at=1500)})

    assert (line_of(order)["ordered"], line_of(order)["cancelled"]) == (5, 2)


def test_what_came_back_to_stock_is_restocked_and_what_was_never_sent_is_not() -> None:
    order = replace(
        ORDER,
        fulfilments={PartId("a"): shipped("a", 3)},
        refunds={
            PartId("r"): refunded("r", 1, Restock.RETURNED),
            PartId("c"): refunded("c", 2, Restock.BEFORE_SHIPPING),
        },
    )

    line = line_of(order)

    assert (line["fulfilled"], line["restocked"], line["cancelled"]) == (3, 1, 2)


def test_the_location_is_the_one_that_most_units_ship_from() -> None:
    order = replace(ORDER, fulfilments={PartId("a"): shipped("a", 4, at=ANNEX)})

    assert line_of(order)["location"] == "store"


def test_a_line_without_stock_still_shows_what_became_of_it() -> None:
    order = replace(
        ORDER,
        lines={ONE: replace(LINE, no_stock="gift card")},
        bindings={},
        fulfilments={PartId("a"): shipped("a", 5)},
    )

    line = line_of(order)

    assert (line["sku"], line["fulfilled"], line["location"], line["no_stock"]) == (None, 5, None, "gift card")


def test_an_order_of_which_only_parts_are_known_has_no_date() -> None:
    hole = Order(order_id=OrderId("901"), refunds={PartId("r"): refunded("r", 1, Restock.RETURNED)})

    document = order_document(SHOP, hole)

    assert (document["placed_at"], document["lines"]) == (None, [])


def test_each_reason_for_having_no_effect_is_said() -> None:
    def why(order: Order) -> str:
        return why_no_effect(order, order.lines[ONE], SHOP, SETUP)

    assert why(ORDER) == ""
    assert "gift card" in why(replace(ORDER, lines={ONE: replace(LINE, no_stock="gift card")}))
    assert "not linked" in why(replace(ORDER, bindings={}))
    assert "only parts" in why(replace(ORDER, placed_at=None))
    assert "elsewhere is not mapped" in why(replace(ORDER, lines={ONE: replace(LINE, location=ELSEWHERE)}))
    nowhere = Binding(sku=Sku("TEE"))
    assert "names no location" in why(
        replace(ORDER, lines={ONE: replace(LINE, location=None)}, bindings={ONE: nowhere})
    )
