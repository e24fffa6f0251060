"""How the demo is told: a line every few seconds, a closing summary for people, one JSON object for scripts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from syncd.sim.demo.evidence import Evidence
from syncd.sim.demo.hindsight import Hindsight
from syncd.sim.demo.options import Options
from syncd.sim.demo.shops import DemoShop, World
from syncd.sim.demo.traffic import Traffic
from syncd.sim.demo.verdict import EXAMPLES, Check, all_hold
from syncd.sim.remotes.shopify import ShopifyServer

_REFUNDS: Final = ("refund_unshipped", "refund_shipped", "refund_keep", "refund_legacy", "refund_money")
_DEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("sale", "counter_sale", "last_units"),
    "over the counter": ("counter_sale",),
    "shipments": ("fulfil", "fulfil_part"),
    "shipments cancelled": ("cancel_fulfilment",),
    "refunds": _REFUNDS,
    "goods back": ("goods_back",),
    "cancelled": ("cancel_restock", "cancel_written_off"),
    "edited, moved": ("edit", "move"),
    "figures edited by hand": ("drift", "hold_back"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    options: Options
    world: World
    server: ShopifyServer
    traffic: Traffic
    evidence: Evidence
    back: Hindsight
    checks: Sequence[Check]
    kills: Sequence[str]
    start_seconds: Sequence[float]
    traffic_seconds: float
    quiet_seconds: float

    @property
    def ok(self) -> bool:
        return all_hold(self.checks)

    def document(self, *, kept: Path | None) -> dict[str, Any]:
        options, back = self.options, self.back
        return {
            "ok": self.ok,
            "seed": options.seed,
            "skus": options.skus,
            "faults": options.faults,
            "duration_seconds": options.duration_seconds,
            "traffic_seconds": round(self.traffic_seconds, 2),
            "quiet_seconds": round(self.quiet_seconds, 2),
            "start_seconds": [round(each, 2) for each in self.start_seconds],
            "kills": list(self.kills),
            "shops": {demo.channel: shop_figures(self, demo) for demo in self.world.shops},
            "adjustments": len(self.traffic.entered.adjustments),
            "ledger_entries": len(self.evidence.ledger),
            "writes": back.writes,
            "latency_seconds": {
                "sales": len(back.latencies),
                "p50": quantile(back.latencies, 0.5),
                "p99": quantile(back.latencies, 0.99),
                "slowest": back.slowest,
            },
            "oversold_units": dict(back.oversells),
            "oversells_avoidable": len(back.avoidable),
            "checks": [check.document() for check in self.checks],
            "kept": None if kept is None else str(kept),
        }


def shop_figures(report: Report, demo: DemoShop) -> dict[str, int]:
    """What happened in a shop, on the wire and off it."""
    done = report.traffic.done
    figures = {name: sum(done[demo.channel, what] for what in whats) for name, whats in _DEEDS.items()}
    site = report.server.site(demo.shop)
    counts = site.webhooks.counts
    calls = [call for call in report.server.calls if call.shop == demo.shop.domain]
    return {
        **figures,
        "webhooks sent": counts.sent,
        "webhooks duplicated": counts.duplicated,
        "webhooks held back": counts.delayed,
        "webhooks lost": counts.dropped + counts.given_up,
        "webhooks tried again": counts.retried,
        "API calls": len(calls),
        "API calls spoilt": sum(call.fault is not None for call in calls),
        "API calls throttled": sum("THROTTLED" in call.codes or call.status == 429 for call in calls),
        "figures written": sum(movement.by == "app" and movement.item in demo.sold for movement in demo.shop.books),
    }


def progress(seconds: float, server: ShopifyServer, traffic: Traffic, status: Mapping[str, Any]) -> str:
    done: Counter[str] = Counter()
    for (_, what), count in traffic.done.items():
        done[what] += count
    orders = sum(done[what] for what in _DEEDS["orders"])
    counts = [server.site(demo.shop).webhooks for demo in traffic.world.shops]
    writes = sum(movement.by == "app" for demo in traffic.world.shops for movement in demo.shop.books)
    if not status:
        state = "daemon down"
    else:
        state = (
            f"{status['inbox_pending']} to apply, {status['writes_owed']} owed, "
            f"{status['conflicts_open']} conflicts open"
        )
    return (
        f"{orders} orders, {sum(done.values()) - orders} other deeds, "
        f"{sum(each.counts.acknowledged for each in counts)} webhooks in "
        f"({sum(each.pending for each in counts)} waiting), "
        f"{writes} figures written; {state}"
    )


def summary(report: Report) -> str:
    """The closing page for people."""
    lines = ["", *_shop_table(report), "", *_times(report), "", "Verdict, from the shops' own books:"]
    for check in report.checks:
        lines.append(f"  {'yes' if check.ok else 'NO '}  {check.name} ({check.checked} looked at)")
        lines += [f"         {wrong}" for wrong in check.wrong[:EXAMPLES]]
        if len(check.wrong) > EXAMPLES:
            lines.append(f"         and {len(check.wrong) - EXAMPLES} more")
    lines += ["", "Everything adds up." if report.ok else "It does not add up.", ""]
    return "\n".join(lines)


def _shop_table(report: Report) -> list[str]:
    shops = report.world.shops
    figures = [shop_figures(report, demo) for demo in shops]
    wide = max(len(name) for name in figures[0])
    lines = [" " * wide + "".join(f"{demo.channel:>12}" for demo in shops)]
    for name in figures[0]:
        lines.append(f"{name:<{wide}}" + "".join(f"{each[name]:>12,}" for each in figures))
    return lines


def _times(report: Report) -> list[str]:
    back = report.back
    lines = [
        f"{report.traffic_seconds:.0f} s of traffic, quiet after another {report.quiet_seconds:.1f} s; "
        f"{len(report.evidence.ledger):,} ledger entries, {len(report.traffic.entered.adjustments)} adjustments by hand"
    ]
    if report.kills:
        again = ", ".join(f"{each:.1f} s" for each in report.start_seconds[1:])
        lines.append(f"killed: {', '.join(report.kills)}; the daemon was ready again after {again}")
    if back.latencies:
        lines.append(
            f"from a sale until the other shop shows it: half within {quantile(back.latencies, 0.5):.2f} s, "
            f"99 % within {quantile(back.latencies, 0.99):.2f} s ({len(back.latencies)} sales, pauses and kills apart)"
        )
    oversold = ", ".join(f"{units} {why}" for why, units in sorted(back.oversells.items())) or "none"
    lines.append(f"units oversold of {back.sales} lines sold: {oversold}")
    return lines


def quantile(values: Sequence[float], part: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3)
