"""Exit statuses, those of sysexits.h where one fits."""

from typing import Final

OK: Final = 0
PROBLEMS: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 69
INTERNAL: Final = 70
TRY_LATER: Final = 75
NOT_PERMITTED: Final = 77
CONFIGURATION: Final = 78

OF_CODE: Final = {
    "usage": USAGE,
    "forbidden": NOT_PERMITTED,
    "not_found": PROBLEMS,
    "refused": PROBLEMS,
    "internal": INTERNAL,
    "try_later": TRY_LATER,
}


class Stop(Exception):
    """Ends a verb: what to say on stderr, and the exit status."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        self.lines = lines
