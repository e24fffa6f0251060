"""What every verb accepts after its words."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration. Else SYNCD_CONFIG, then the usual places."),
]
Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket", metavar="PATH", help="The daemon's control socket. Else SYNCD_SOCKET, then the configuration's."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout; lists are a line a row, and complete.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many rows.")]
Everything = Annotated[bool, typer.Option("--all", help="The closed ones too.")]
Channel = Annotated[str | None, typer.Option("--channel", metavar="CHANNEL", help="Only this channel.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]
