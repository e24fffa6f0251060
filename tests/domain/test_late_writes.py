"""Writes that take force later: each row of a call is settled by itself, the call only with its last row."""

from syncd.domain.books import Books, Listing
from syncd.domain.ids import ChannelId, ListingKey, LocationId, RemoteId, RemoteLocation
from syncd.domain.listings import (
    Account,
    Circumstances,
    Hold,
    Reading,
    Span,
    Write,
    WriteKind,
    begin,
    next_write,
    observe,
    refuse,
)
from syncd.domain.setup import ChannelSetup, Setup
from syncd.domain.writes import Outcome, RowOutcome, SentWrite, WriteRow
from syncd.domain.writing import EndWrite, LapseWrite

AMAZON = ChannelId("amazon")
ABSOLUTE = WriteKind.ABSOLUTE
IN_STEP = Circumstances(kind=ABSOLUTE, orders_read_in_step=True)


def key(sku: str) -> ListingKey:
    return ListingKey(AMAZON, RemoteId(sku), RemoteLocation("mfn"))


def books_with(*skus: str) -> tuple[Books, SentWrite]:
    house = LocationId("house")
    channel = ChannelSetup(channel=AMAZON, kind="plain", write=ABSOLUTE, locations={RemoteLocation("mfn"): (house,)})
    books = Books(Setup({AMAZON: channel}, (house,)), 1_000_000)
    rows = []
    for sku in skus:
        account = Account(base=Reading(10, Span(1, 1)), write=Write(4, 10))
        listing = Listing(key=key(sku), alias=None, sku_text=sku, title=sku)
        listing.account, listing.write_id = account, 7
        books.add_listing(listing)
        rows.append(WriteRow(key=key(sku), target=4, was=10))
    return books, SentWrite(write_id=7, channel=AMAZON, key="k", rows=tuple(rows))


def test_accepted_rows_stay_in_doubt_while_the_others_end() -> None:
    books, write = books_with("MUG", "CUP")
    outcomes = [
        RowOutcome(key("MUG"), Outcome.ACCEPTED),
        RowOutcome(key("CUP"), Outcome.CONFIRMED, at=Span(50, 60)),
    ]

    EndWrite(write=write, outcomes=outcomes, kind=ABSOLUTE).apply(books)

    mug, cup = books.listings[key("MUG")], books.listings[key("CUP")]
    assert mug.account.write == Write(4, 10, in_doubt=True)
    assert mug.write_id == 7
    assert (cup.account.write, cup.account.expected, cup.write_id) == (None, 4, None)
    assert (books.doubted, books.ended) == ([7], [])


def test_the_call_ends_with_its_last_row() -> None:
    books, write = books_with("MUG", "CUP")
    first = SentWrite(write_id=7, channel=AMAZON, key="k", rows=write.rows[:1])
    last = SentWrite(write_id=7, channel=AMAZON, key="k", rows=write.rows[1:])
    done = [RowOutcome(key("MUG"), Outcome.CONFIRMED, at=Span(50, 60))]

    EndWrite(write=first, outcomes=done, kind=ABSOLUTE, more=True).apply(books)
    waiting = books.listings[key("CUP")].account.write
    LapseWrite(write=last, at=Span(40, 90), kind=ABSOLUTE).apply(books)

    assert waiting is not None
    assert books.listings[key("MUG")].account.expected == 4
    assert books.listings[key("CUP")].account.base is None
    assert books.listings[key("CUP")].account.asked
    assert books.ended == [7]


def test_an_absolute_write_that_was_refused_by_a_reading_waits_unless_it_goes_below_it() -> None:
    account = begin(Account(base=Reading(10, Span(1, 1))), Write(8, 10))
    account = observe(refuse(account), Reading(6, Span(50, 60))).account

    assert next_write(account, 8, IN_STEP) is Hold.REFUSED
    assert next_write(account, 6, IN_STEP) is Hold.REFUSED
    assert next_write(account, 5, IN_STEP) == Write(5, 10)
