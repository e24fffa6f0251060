"""The Feeds API 2021-06-30: documents at presigned addresses, feeds in a queue, JSON_LISTINGS_FEED carried out."""

import gzip
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.sim.remotes.amazon.call import Call, Refused, Told, iso
from syncd.sim.remotes.amazon.listings_api import apply_patches, issue, patch_issues
from syncd.sim.remotes.amazon.seller import Seller
from syncd.sim.remotes.amazon.state import Document, Feed, later

LISTINGS = "JSON_LISTINGS_FEED"
ENDED = ("POST_INVENTORY_AVAILABILITY_DATA", "POST_PRODUCT_DATA", "POST_PRODUCT_PRICING_DATA")
MOST_MESSAGES = 25_000


class Feeds:
    """`stuck` leaves feeds in progress for ever; `fatal` ends the next ones so; both until switched off."""

    def __init__(self, seller: Seller) -> None:
        self.seller = seller
        self.documents: dict[str, Document] = {}
        self.feeds: dict[str, Feed] = {}
        self.stuck = False
        self.fatal = False

    def create_document(self, call: Call) -> Told:
        made = self._document(b"", str(call.body.get("contentType") or ""))
        address = f"{call.origin}/documents/{made.document_id}?X-Amz-Signature={made.signature}"
        return Told(status=201, body={"feedDocumentId": made.document_id, "url": address})

    def upload(self, document_id: str, signature: str, content_type: str, body: bytes) -> int:
        """By the presigned address, without a token; the content type has to be the one that was named."""
        document = self.documents.get(document_id)
        if document is None or document.signature != signature or self._expired(document):
            return 403
        if document.content_type.replace(" ", "").lower() != content_type.replace(" ", "").lower():
            return 403
        document.body = body
        return 200

    def download(self, document_id: str, signature: str) -> bytes | None:
        document = self.documents.get(document_id)
        if document is None or document.signature != signature or self._expired(document):
            return None
        return document.body

    def create(self, call: Call) -> Told:
        kind = str(call.body.get("feedType") or "")
        document = str(call.body.get("inputFeedDocumentId") or "")
        if not kind or document not in self.documents or not call.body.get("marketplaceIds"):
            raise Refused(400, "InvalidInput", "feedType, marketplaceIds and inputFeedDocumentId are required")
        feed_id = str(50_000_000 + self.seller.number())
        self.feeds[feed_id] = Feed(
            feed_id=feed_id,
            feed_type=kind,
            marketplaces=[str(each) for each in call.body["marketplaceIds"]],
            document_id=document,
            created=self.seller.now(),
            stuck=self.stuck,
        )
        return Told(status=202, body={"feedId": feed_id})

    def get(self, call: Call) -> Told:
        self.settle()
        return Told(body=_view(self._feed(call)))

    def listed(self, call: Call) -> Told:
        self.settle()
        kinds, statuses = call.many("feedtypes"), call.many("processingstatuses")
        found = [
            feed
            for feed in self.feeds.values()
            if (not kinds or feed.feed_type in kinds) and (not statuses or feed.status in statuses)
        ]
        return Told(body={"feeds": [_view(feed) for feed in reversed(found)][: int(call.one("pagesize") or "10")]})

    def cancel(self, call: Call) -> Told:
        self.settle()
        feed = self._feed(call)
        if feed.status != "IN_QUEUE":
            raise Refused(400, "InvalidInput", "Only a feed in the queue can be cancelled")
        feed.status, feed.ended = "CANCELLED", self.seller.now()
        return Told(body={})

    def get_document(self, call: Call) -> Told:
        document = self.documents.get(call.match["document_id"])
        if document is None:
            raise Refused(404, "NotFound", "No such document")
        document.made = self.seller.now()  # the address is presigned anew
        address = f"{call.origin}/documents/{document.document_id}?X-Amz-Signature={document.signature}"
        body = {"feedDocumentId": document.document_id, "url": address}
        return Told(body=body | ({"compressionAlgorithm": "GZIP"} if document.zipped else {}))

    def settle(self) -> None:
        """Feeds go one after the other, each when the one before has ended."""
        now = self.seller.now()
        for feed in self.feeds.values():
            if feed.status == "IN_QUEUE" and now >= later(feed.created, self.seller.plan.feed_queue):
                feed.status, feed.started = "IN_PROGRESS", now
            if feed.status != "IN_PROGRESS":
                continue
            if feed.stuck:
                return
            if now < later(feed.started or now, self.seller.plan.feed_work):
                return
            self._carry_out(feed, now)

    def _carry_out(self, feed: Feed, now: datetime) -> None:
        feed.ended = now
        if self.fatal or feed.feed_type in ENDED or feed.feed_type != LISTINGS:
            feed.status = "FATAL"
            return
        try:
            held = json.loads(self.documents[feed.document_id].body)
            messages = list(held["messages"])
            sound = held["header"]["sellerId"] == self.seller.seller_id and len(messages) <= MOST_MESSAGES
        except (ValueError, KeyError, TypeError):
            sound, messages = False, []
        if not sound:
            feed.status = "FATAL"
            return
        issues: list[dict[str, Any]] = []
        invalid = 0
        for message in messages:
            found = self._message(feed, message)
            invalid += bool(found)
            issues += [
                {"messageId": message.get("messageId"), "sku": message.get("sku")}
                | {key: each[key] for key in ("code", "severity", "message")}
                for each in found
            ]
        summary = {
            "errors": len(issues),
            "warnings": 0,
            "messagesProcessed": len(messages),
            "messagesAccepted": len(messages) - invalid,
            "messagesInvalid": invalid,
        }
        header = {"sellerId": self.seller.seller_id, "version": "2.0", "feedId": feed.feed_id}
        report = json.dumps({"header": header, "issues": issues, "summary": summary}).encode()
        made = self._document(gzip.compress(report), "application/json")
        made.zipped = True
        feed.status, feed.result = "DONE", made.document_id

    def _message(self, feed: Feed, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        sku = str(message.get("sku") or "")
        if message.get("operationType") != "PATCH":
            return [issue("4000002", "The operation is not carried out here.")]
        found = patch_issues(self.seller, sku, message, feed.marketplaces)
        if not found:
            apply_patches(self.seller, sku, message, f"feed-{feed.feed_id}")
        return found

    def _document(self, body: bytes, content_type: str) -> Document:
        document_id = f"amzn1.tortuga.4.eu.{self.seller.number():08d}"
        made = self.documents[document_id] = Document(
            document_id=document_id,
            body=body,
            content_type=content_type,
            made=self.seller.now(),
            signature=f"{self.seller.rng.getrandbits(64):016x}%2Bsig",
        )
        return made

    def _expired(self, document: Document) -> bool:
        return self.seller.now() > later(document.made, self.seller.plan.document_life)

    def _feed(self, call: Call) -> Feed:
        feed = self.feeds.get(call.match["feed_id"])
        if feed is None:
            raise Refused(404, "NotFound", "No such feed")
        return feed


def _view(feed: Feed) -> dict[str, Any]:
    view: dict[str, Any] = {
        "feedId": feed.feed_id,
        "feedType": feed.feed_type,
        "marketplaceIds": feed.marketplaces,
        "createdTime": iso(feed.created),
        "processingStatus": feed.status,
    }
    if feed.started is not None:
        view["processingStartTime"] = iso(feed.started)
    if feed.ended is not None:
        view["processingEndTime"] = iso(feed.ended)
    if feed.result:
        view["resultFeedDocumentId"] = feed.result
    return view
