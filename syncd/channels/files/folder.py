"""The folder protocol: in, processing, done, error, out. A file changes hands by one rename, never by being copied.

Everything here blocks and is called from a worker thread.
"""

import csv
import fnmatch
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from syncd.channels.files.columns import Refusal

IN, PROCESSING, DONE, ERROR, OUT, SENT, OWN = "in", "processing", "done", "error", "out", "sent", ".syncd"
FOLDERS: Final = (IN, PROCESSING, DONE, ERROR, OUT, SENT, OWN)
UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload", ".partial")
SIDECARS: Final = (".sha256",)
MOST_SHOWN: Final = 100


class NotThere(OSError):
    """The folder cannot be used; the message says what is wrong with it."""


class Looked(NamedTuple):
    """What a file looked like, and when we first saw it so (seconds of a clock of ours)."""

    size: int
    changed: int
    inode: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A file that is ours to process."""

    path: Path
    changed_at: datetime
    digest: str = ""

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(slots=True)
class Folder:
    root: Path
    stable_seconds: float
    trigger: str | None
    checksum: bool
    _seen: dict[str, Looked] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the folders inside; the folder itself has to be there, since it may be a share that is not mounted."""
        if not self.root.is_dir():
            raise NotThere(f"there is no folder {self.root}; make it, or mount it")
        for name in FOLDERS:
            (self.root / name).mkdir(exist_ok=True)
        devices = {(self.root / name).stat().st_dev for name in FOLDERS}
        if len(devices) > 1:
            raise NotThere(f"the folders in {self.root} have to be on one file system: files are moved by renaming")

    def claim(self, patterns: Iterable[str], clock: float) -> list[Claimed]:
        """What an earlier run left half done, and every file that is whole by now; `clock` in seconds."""
        patterns = list(patterns)
        for name in self._ready(patterns, clock):
            self._take(name)
        return [self._claimed(path) for path in sorted((self.root / PROCESSING).iterdir()) if self._is_file(path)]

    def finish(self, claimed: Claimed, today: datetime) -> None:
        """The file has been taken in."""
        self._put_away(claimed, self.root / DONE / today.strftime("%Y/%m/%d"))

    def refuse(self, claimed: Claimed, reason: str, report: Mapping[str, object]) -> Path:
        """Put the file aside with its reason beside it; returns where it is now."""
        place = self._put_away(claimed, self.root / ERROR)
        self.report(place.name, {"file": claimed.name, "refused": reason, **report})
        return place

    def report(self, name: str, document: Mapping[str, object]) -> None:
        text = json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n"
        write_whole(self.root / ERROR / f"{name}.report.json", text.encode())

    def write_refused(self, name: str, header: Sequence[str], refused: Sequence[Refusal]) -> Path:
        """The rows that could not be used, as they came, with line and reason: to be mended and sent again."""
        path = self.root / ERROR / f"{name}.refused.csv"
        part = path.with_name(f".{path.name}.part")
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if header:
                writer.writerow([*header, "line", "reason"])
            writer.writerows([*one.row.cells, one.row.number, one.reason] for one in refused)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        return path

    def _ready(self, patterns: Sequence[str], clock: float) -> list[str]:
        found: dict[str, Looked] = {}
        with os.scandir(self.root / IN) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    found[entry.name] = Looked(stat.st_size, stat.st_mtime_ns, stat.st_ino, clock)
        for name, look in found.items():
            before = self._seen.get(name)
            if before is not None and before[:3] == look[:3]:
                found[name] = before
        self._seen = found
        return [name for name in sorted(found) if is_meant(name, patterns) and self._is_whole(name, clock)]

    def _is_whole(self, name: str, clock: float) -> bool:
        if self.trigger is not None and name + self.trigger not in self._seen:
            return False
        if self.checksum and f"{name}.sha256" not in self._seen:
            return False
        return clock - self._seen[name].since >= self.stable_seconds

    def _take(self, name: str) -> None:
        target = self.root / PROCESSING / name
        if target.exists():
            return  # the earlier file of this name comes first
        for companion in self._companions(name):
            try:
                (self.root / IN / companion).rename(self.root / PROCESSING / companion)
            except FileNotFoundError:
                continue
        try:
            (self.root / IN / name).rename(target)
        except FileNotFoundError:
            return  # its sender took it back
        self._seen.pop(name, None)

    def _companions(self, name: str) -> list[str]:
        endings = [*SIDECARS, *([self.trigger] if self.trigger is not None else [])]
        return [name + ending for ending in endings]

    def _is_file(self, path: Path) -> bool:
        endings = (*SIDECARS, *([self.trigger] if self.trigger is not None else []))
        return path.is_file() and not path.name.endswith(endings) and not path.name.startswith(".")

    def _claimed(self, path: Path) -> Claimed:
        changed = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        return Claimed(path=path, changed_at=changed)

    def read(self, claimed: Claimed) -> tuple[bytes, str]:
        """The bytes and their SHA-256.

        Raises ValueError when the sender's own checksum is another.
        """
        data = claimed.path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if self.checksum:
            said = claimed.path.with_name(f"{claimed.name}.sha256").read_text(encoding="utf-8").split()
            if not said or said[0].lower() != digest:
                raise ValueError("its checksum is another than the one sent with it; have it sent again")
        return data, digest

    def _put_away(self, claimed: Claimed, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / claimed.name
        number = 1
        while place.exists():
            number += 1
            place = folder / f"{claimed.path.stem}.{number}{claimed.path.suffix}"
        for companion in self._companions(claimed.name):
            beside = claimed.path.with_name(companion)
            if beside.exists():
                beside.rename(folder / (place.name + companion.removeprefix(claimed.name)))
        claimed.path.rename(place)
        return place


def is_meant(name: str, patterns: Iterable[str]) -> bool:
    """Is the file one of ours, and not one that is still being written?"""
    lower = name.lower()
    if lower.startswith((".", "~$")) or lower.endswith(UNFINISHED):
        return False
    return any(fnmatch.fnmatchcase(lower, pattern.lower()) for pattern in patterns)


def write_whole(path: Path, data: bytes) -> None:
    """Readers see the old file or the new one, also after a power cut."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
