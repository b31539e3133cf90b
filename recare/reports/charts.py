"""Charts as SVG, made on the server with one theme; the title states the finding and a table stands behind each."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

import vl_convert

from recare.reports.report import Report

_THEME: Final = {
    "background": None,
    "font": "system-ui, sans-serif",
    "axis": {"labelColor": "#7d878b", "titleColor": "#7d878b", "gridColor": "#8a92962e", "domainColor": "#8a9296", "tickColor": "#8a9296", "labelFontSize": 13, "titleFontSize": 12, "labelSeparation": 6, "titleFontWeight": "normal"},
    "view": {"stroke": None},
    "legend": {"labelColor": "#7d878b", "titleColor": "#7d878b"},
    "text": {"color": "#7d878b", "fontSize": 13},
}  # fmt: skip
_TEAL, _GREY = "#1f8a80", "#8a9296"


@lru_cache(maxsize=256)
def _svg(spec: str) -> str:
    return str(vl_convert.vegalite_to_svg(spec, vl_version="5.20"))


def _drawn(spec: dict[str, Any]) -> str:
    # room at the left: the server measures letters with another font than the browser draws
    whole = {"config": _THEME, "width": 340, "padding": {"left": 24, "right": 24, "top": 4, "bottom": 4}}
    return _svg(json.dumps(spec | whole, sort_keys=True))


def warm() -> str:
    """Draw a chart of nothing: the first one in a process takes most of a second."""
    return _drawn({"data": {"values": []}, "mark": "bar"})


def funnel(report: Report) -> str:
    """Return bars from assigned to kept, with the count on each."""
    stages = report.funnel
    data = [
        {"stage": label, "patients": count}
        for label, count in (
            ("assigned", stages.assigned), ("contacted", stages.contacted), ("delivered", stages.delivered),
            ("answered", stages.answered), ("booked", stages.booked), ("kept", stages.kept),
        )
    ]  # fmt: skip
    y = {"field": "stage", "type": "nominal", "sort": None, "title": None}
    x = {"field": "patients", "type": "quantitative", "title": None}
    bars = {"mark": {"type": "bar", "color": _TEAL, "cornerRadiusEnd": 3}, "encoding": {"y": y, "x": x}}
    counts = {
        "mark": {"type": "text", "align": "left", "dx": 6},
        "encoding": {"y": y, "x": x, "text": {"field": "patients", "format": ","}},
    }
    return _drawn({"data": {"values": data}, "height": {"step": 30}, "layer": [bars, counts]})


def arms(report: Report) -> str:
    """Return the kept-visit rate of each arm with its Wilson interval."""
    data = [
        {
            "arm": label,
            "rate": (arm.kept.value or 0),
            "low": arm.kept.low,
            "high": arm.kept.high,
            "own": label == "contacted",
        }
        for label, arm in (
            ("contacted", report.treated),
            ("not contacted" if report.waves else "left alone", report.held_out),
        )
        if arm.patients
    ]
    y = {"field": "arm", "type": "nominal", "sort": None, "title": None}
    axis = {"format": ".0%", "tickMinStep": 0.01}
    color = {"condition": {"test": "datum.own", "value": _TEAL}, "value": _GREY}
    whisker = {
        "mark": {"type": "rule", "strokeWidth": 3},
        "encoding": {
            "y": y,
            "x": {
                "field": "low",
                "type": "quantitative",
                "title": "kept a visit in the days compared (95 % interval)"
                if report.waves
                else "kept a visit within 90 days (95 % interval)",
                "axis": axis,
                "scale": {"zero": True},
            },
            "x2": {"field": "high"},
            "color": color,
        },
    }
    dot = {
        "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1},
        "encoding": {"y": y, "x": {"field": "rate", "type": "quantitative"}, "color": color},
    }
    return _drawn({"data": {"values": data}, "height": {"step": 46}, "layer": [whisker, dot]})
