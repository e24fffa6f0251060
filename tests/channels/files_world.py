"""A folder with a channel around it, and what stands in files, for tests."""

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import orjson

from syncd.channels.files import FilesChannel, Settings
from syncd.config.secrets import Surroundings
from syncd.domain.ids import RemoteLocation
from syncd.domain.orders import Order
from syncd.ports import Cursor, Facts, OrdersPage, Record

MAIN = RemoteLocation("MAIN")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def settings_for(folder: Path, **keys: Any) -> Settings:
    """Settings as the configuration makes them."""
    given = {"folder": str(folder), "stable_seconds": 0, **keys}
    around = Surroundings(environ={"SFTP_PASSWORD": "secret"}, folder=Path("/"))
    return Settings.model_validate_json(orjson.dumps(given), strict=True, context=around)


STOCK = {"pattern": "stock*", "mode": "delta"}
FULL = {"pattern": "stock*", "mode": "full"}
ORDERS = {"pattern": "orders*"}


@dataclass
class Desk:
    """What a caller of the channel keeps: the cursor, and which records were stored by their keys."""

    channel: FilesChannel
    folder: Path
    clock: list[datetime]
    cursor: Cursor | None = None
    stored: dict[str, Record] = field(default_factory=dict)

    def drop(self, name: str, data: bytes | str, *, at: datetime | None = None) -> Path:
        path = self.folder / "in" / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        if at is not None:
            os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    async def poll(self, *, stop_after: int | None = None) -> list[Facts]:
        """What was new; with `stop_after` pages the caller dies."""
        new: list[Facts] = []
        pages = self.channel.poll_orders(self.cursor)
        async for page in pages:
            new += self._store(page)
            if stop_after is not None:
                stop_after -= 1
                if not stop_after:
                    break
        await pages.aclose()  # type: ignore[attr-defined]  # every such iterator is a generator
        return new

    def _store(self, page: OrdersPage) -> list[Facts]:
        fresh = [record for record in page.records if record.key not in self.stored]
        self.stored |= {record.key: record for record in fresh}
        self.cursor = page.cursor
        return [self.channel.parse(record.topic, {}, record.body) for record in fresh]

    def names(self, folder: str) -> list[str]:
        return sorted(str(path.relative_to(self.folder / folder)) for path in self._files(folder))

    def _files(self, folder: str) -> list[Path]:
        return [path for path in (self.folder / folder).rglob("*") if path.is_file()]


async def desk_at(folder: Path, **keys: Any) -> Desk:
    clock = [NOON]
    channel = FilesChannel(settings_for(folder, **keys), [MAIN], lambda: clock[0])
    await channel.connect()
    return Desk(channel, folder, clock)


def counts(told: Sequence[Facts]) -> dict[str, int | None]:
    return {line.sku_text: line.units for facts in told if facts.snapshot is not None for line in facts.snapshot.lines}


def orders(told: Sequence[Facts]) -> dict[str, Order]:
    return {order.order_id: order for facts in told for order in facts.orders}


def reasons(told: Sequence[Facts]) -> list[str]:
    return [fault.reason for facts in told for fault in facts.faults]


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """The smallest file that is a workbook: text cells inline, numbers as numbers."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        names = list(sheets)
        archive.writestr("[Content_Types].xml", _CONTENT.format(_each(names, _PART)))
        archive.writestr("_rels/.rels", _ROOT)
        archive.writestr("xl/workbook.xml", _BOOK.format(_each(names, _SHEET)))
        archive.writestr("xl/_rels/workbook.xml.rels", _LINKS.format(_each(names, _LINK)))
        for number, rows in enumerate(sheets.values(), 1):
            archive.writestr(f"xl/worksheets/sheet{number}.xml", _rows(rows))
    return data.getvalue()


def _each(names: Sequence[str], template: str) -> str:
    return "".join(template.format(n=number, name=escape(name)) for number, name in enumerate(names, 1))


def _rows(rows: Sequence[Sequence[object]]) -> str:
    body = "".join(
        f'<row r="{r}">' + "".join(_cell(cell, f"{chr(64 + c)}{r}") for c, cell in enumerate(row, 1)) + "</row>"
        for r, row in enumerate(rows, 1)
    )
    return f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>'


def _cell(value: object, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_CONTENT = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>{{}}</Types>'
)
_PART = f'<Override PartName="/xl/worksheets/sheet{{n}}.xml" ContentType="{_TYPES}.worksheet+xml"/>'
_ROOT = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_BOOK = f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{{}}</sheets></workbook>'
_SHEET = '<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>'
_LINKS = f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{{}}</Relationships>'
_LINK = f'<Relationship Id="rId{{n}}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{{n}}.xml"/>'
