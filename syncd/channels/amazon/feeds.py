"""Bulk writes by JSON_LISTINGS_FEED: sent in three steps, followed to the report, where each line has its own outcome.

DONE does not mean that all was taken: errors stand in the report by message. FATAL may mean some, all or none.
"""

import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import anyio
import structlog
from pydantic_core import from_json, to_json

from syncd.channels.amazon.api import (
    CANCEL_FEED,
    CREATE_FEED,
    CREATE_FEED_DOCUMENT,
    GET_FEED,
    GET_FEED_DOCUMENT,
    GET_FEEDS,
    Api,
    Refusal,
)
from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import inside, objects, text
from syncd.domain.errors import OutcomeUnknown, Rejected, Retry

log = structlog.get_logger(__name__)

PATH: Final = ("feeds", "2021-06-30")
TYPE: Final = "JSON_LISTINGS_FEED"
CONTENT: Final = "application/json; charset=UTF-8"
LARGEST_REPORT: Final = 64 * 1024 * 1024
OTHERS_LOOKED_AT_SECONDS: Final = 60.0


class Progress(StrEnum):
    UNDER_WAY = "under_way"
    CANCELLED = "cancelled"
    UNCLEAR = "unclear"
    DONE = "done"


@dataclass(slots=True, kw_only=True)
class Feed:
    """A feed that was sent. `refused` holds, by SKU, why lines were not taken; known once `progress` is DONE."""

    feed_id: str
    skus: Sequence[str]
    began: float
    progress: Progress = Progress.UNDER_WAY
    refused: Mapping[str, str] = field(default_factory=dict)
    stuck: bool = False
    ended: float | None = None
    """Loop time at which it was seen to have ended; what it set may take force some time after."""


class Feeds:
    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._seller = settings.seller_id
        self._marketplace = settings.marketplaces[0]
        self._patience_seconds = settings.feed_minutes * 60
        self._ours: set[str] = set()
        self._others_at: float | None = None
        self._others = False

    @property
    def has_token(self) -> bool:
        return self._api.wait_seconds(CREATE_FEED) == 0.0

    async def send(self, lines: Sequence[tuple[str, Mapping[str, Any]]]) -> Feed:
        """One feed of patches, each a SKU with the body that a single patch would have.

        Raises OutcomeUnknown only where the feed may have been made.
        """
        asked = await self._api.call(CREATE_FEED_DOCUMENT, "POST", (*PATH, "documents"), body={"contentType": CONTENT})
        document, address = text(asked.body.get("feedDocumentId")), asked.body.get("url")
        if not document or not isinstance(address, str):
            raise Retry("createFeedDocument: an answer without a document")
        answer = await self._api.http.send_to(
            "PUT", address, body=self._document(lines), headers={"Content-Type": CONTENT}, changes=False
        )
        if answer.status not in (200, 201, 204):
            raise Retry(f"the feed's document was not taken: {answer.status} {answer.shown[:120]}")
        specification = {"feedType": TYPE, "marketplaceIds": [self._marketplace], "inputFeedDocumentId": document}
        made = await self._api.call(CREATE_FEED, "POST", (*PATH, "feeds"), body=specification, changes=True)
        feed_id = text(made.body.get("feedId"))
        if not feed_id:
            raise OutcomeUnknown("createFeed: an answer without a feed id")
        self._ours.add(feed_id)
        return Feed(feed_id=feed_id, skus=[sku for sku, _ in lines], began=anyio.current_time())

    def _document(self, lines: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
        return to_json(
            {
                "header": {"sellerId": self._seller, "version": "2.0", "issueLocale": "en_GB"},
                "messages": [
                    {"messageId": number, "sku": sku, "operationType": "PATCH", **body}
                    for number, (sku, body) in enumerate(lines, 1)
                ],
            }
        )

    async def look(self, feed: Feed) -> None:
        """Bring what is known of the feed up to date."""
        if feed.progress is not Progress.UNDER_WAY:
            return
        feed.progress = await self._ask(feed)
        if feed.progress is not Progress.UNDER_WAY:
            feed.ended = anyio.current_time()

    async def _ask(self, feed: Feed) -> Progress:
        reply = await self._api.call(GET_FEED, "GET", (*PATH, "feeds", feed.feed_id))
        status = text(reply.body.get("processingStatus"))
        if status == "DONE":
            feed.refused = await self._report(feed, text(reply.body.get("resultFeedDocumentId")))
            return Progress.DONE
        if status == "CANCELLED":
            return Progress.CANCELLED
        if status == "FATAL":
            log.warning("feed.fatal", feed=feed.feed_id, rows=len(feed.skus))
            return Progress.UNCLEAR
        if anyio.current_time() - feed.began > self._patience_seconds:
            await self._give_up(feed, status)
        return Progress.UNDER_WAY

    async def _give_up(self, feed: Feed, status: str) -> None:
        """A queued feed can be cancelled; one in progress cannot: its lines wait, never sent both ways at once."""
        if not feed.stuck:
            log.warning("feed.stuck", feed=feed.feed_id, status=status, rows=len(feed.skus))
            feed.stuck = True
        if status == "IN_QUEUE":
            try:
                await self._api.call(CANCEL_FEED, "DELETE", (*PATH, "feeds", feed.feed_id), changes=False)
            except Refusal as refusal:
                log.info("feed.not_cancelled", feed=feed.feed_id, error=str(refusal))

    async def under_way_elsewhere(self) -> bool:
        """Is there a feed of this seller, from an earlier run or without an answer, that may still change listings?"""
        now = anyio.current_time()
        if self._others_at is None or now - self._others_at > OTHERS_LOOKED_AT_SECONDS:
            query = {"feedTypes": TYPE, "processingStatuses": "IN_QUEUE,IN_PROGRESS", "pageSize": "100"}
            reply = await self._api.call(GET_FEEDS, "GET", (*PATH, "feeds"), query)
            self._others = any(text(each.get("feedId")) not in self._ours for each in objects(reply.body.get("feeds")))
            self._others_at = now
        return self._others

    async def _report(self, feed: Feed, document: str) -> dict[str, str]:
        """Errors by SKU; a report that is missing or cannot be read leaves every line to be read back."""
        if not document:
            return {}
        try:
            reply = await self._api.call(GET_FEED_DOCUMENT, "GET", (*PATH, "documents", document))
            answer = await self._api.http.send_to("GET", str(reply.body.get("url")), changes=False)
            body = answer.body
            if text(reply.body.get("compressionAlgorithm")) == "GZIP":
                body = _unpacked(body)
            held = inside(from_json(body))
        except (Rejected, ValueError, OSError, EOFError) as error:
            log.warning("feed.report_unread", feed=feed.feed_id, error=str(error)[:200])
            return {}
        refused: dict[str, str] = {}
        for issue in objects(held.get("issues")):
            number = issue.get("messageId")
            if issue.get("severity") != "ERROR" or type(number) is not int or not 1 <= number <= len(feed.skus):
                continue
            sku = feed.skus[number - 1]
            told = f"{text(str(issue.get('code')))}: {text(issue.get('message'))}"
            refused[sku] = f"{refused[sku]}; {told}"[:500] if sku in refused else told
        return refused


def _unpacked(body: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
        content = file.read(LARGEST_REPORT + 1)
    if len(content) > LARGEST_REPORT:
        raise ValueError("the report is larger than it could be")
    return content
