"""The series of apps' metrics as JSON and back, for the restart of the process that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracestitch_collector.outputs.amounts import Amount, Source, Sum
from tracestitch_collector.outputs.app_series import Family, Labels, Series

Kept = tuple[Sequence[Family], Sequence[tuple[Labels, int]]]
"""Families, and targets with when they were heard of last."""


def document(kept: Kept) -> dict[str, Any]:
    families, targets = kept
    return {
        "families": [
            {
                "name": family.name,
                "type": family.type,
                "help": family.help,
                "goes_down": family.goes_down,
                "series": [[key, _series(series)] for key, series in family.series.items()],
            }
            for family in families
        ],
        "targets": [[key, seen_ns] for key, seen_ns in targets],
    }


def families(document: Any) -> Kept:
    """Nothing where the document is none of ours."""
    try:
        kept = [
            Family(
                name=str(each["name"]),
                type=each["type"],
                help=str(each["help"]),
                goes_down=bool(each["goes_down"]),
                series={_labels(key): _series_of(said) for key, said in each["series"]},
            )
            for each in document["families"]
        ]
        targets = [(_labels(key), int(seen_ns)) for key, seen_ns in document["targets"]]
    except (KeyError, TypeError, ValueError):
        return (), ()
    return kept, targets


def _series(series: Series) -> list[Any]:
    """Exemplars are left out: they come again."""
    base, sources = series.sum.parts()
    return [
        series.updated_ns,
        series.time_ns,
        series.gauge,
        series.size,
        series.quantiles,
        _amount(series.summary),
        _amount(base),
        [
            [start_ns, each.time_ns, each.updated_ns, _amount(each.amount)]
            for start_ns, each in sources.items()
        ],
    ]


def _series_of(said: Any) -> Series:
    updated_ns, time_ns, gauge, size, quantiles, summary, base, sources = said
    found = {
        int(start_ns): Source(int(told_ns), int(fed_ns), _amount_of(amount))
        for start_ns, told_ns, fed_ns, amount in sources
    }
    return Series(
        updated_ns=int(updated_ns),
        time_ns=int(time_ns),
        gauge=float(gauge),
        size=int(size),
        quantiles=tuple((float(quantile), float(value)) for quantile, value in quantiles),
        summary=_amount_of(summary),
        sum=Sum(_amount_of(base), found),
    )


def _amount(amount: Amount) -> list[Any]:
    return [amount.value, amount.count, [[bound, count] for bound, count in amount.buckets.items()]]


def _amount_of(said: Any) -> Amount:
    value, count, buckets = said
    return Amount(
        value=float(value), count=int(count), buckets={float(bound): int(n) for bound, n in buckets}
    )


def _labels(key: Any) -> Labels:
    return tuple((str(name), str(value)) for name, value in key)
