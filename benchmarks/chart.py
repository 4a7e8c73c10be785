"""The charts and tables of the documents, made from the JSON of a run.

    python -m benchmarks --json out.json
    python -m benchmarks.chart out.json docs/charts

It writes `targets.svg`, `frames.svg` and `whole.svg` into the folder, and the marked tables of
README.md and docs/benchmarks.md anew (`--no-tables` leaves them). The same JSON makes the same
bytes, with one version of matplotlib. The background is white, for light pages and dark ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .chart_data import Panel, Score, frame_panels, scores, where, whole_panels
from .tables import rewrite

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_DOCUMENTS = (_ROOT / "README.md", _ROOT / "docs/benchmarks.md")

_COLOURS = {"aim": "#1b6ca8", "at least": "#6baed6", "below": "#e6842a", "": "#999999"}
_SAID = {
    "aim": "reaches the aim",
    "at least": "reaches what is asked at least",
    "below": "does not",
}
_OURS, _PEERS, _INK = "#1b6ca8", "#b8b8b8", "#222222"
_FRAMES = "342-byte frames, from the socket to a function that counts"
_WHOLE = "CPU a message of Gate.io, from the socket to the handler"
_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_SETTINGS = {
    "svg.hashsalt": "trioex",  # or ids are drawn at random
    "svg.fonttype": "path",  # looks the same wherever it is shown
    "font.family": "DejaVu Sans",  # which matplotlib brings
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chart", description="Charts and tables from the JSON of a run."
    )
    parser.add_argument("json", type=Path, help="what `python -m benchmarks --json FILE` wrote")
    parser.add_argument("folder", type=Path, help="where charts go, docs/charts")
    parser.add_argument("--no-tables", action="store_true", help="charts alone")
    options = parser.parse_args(arguments)
    facts = json.loads(options.json.read_text())
    for path in draw(facts, options.folder):
        print(path)
    if not options.no_tables:
        for document in _DOCUMENTS:
            document.write_text(rewrite(document.read_text(), facts))
            print(document.relative_to(_ROOT))


def draw(facts: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write all charts; return their paths."""
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    measured, paths = facts["measured"], []
    with mpl.rc_context(_SETTINGS):
        for name, figure in {
            "targets": _targets(scores(facts["rows"])),
            "frames": _bars(frame_panels(measured), 2, _FRAMES),
            "whole": _bars(whole_panels(measured), 3, _WHOLE),
        }.items():
            figure.supxlabel(where(facts), x=0.01, ha="left", fontsize=7.5, color="#666666")
            paths.append(_save(figure, folder / f"{name}.svg"))
    return paths


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    text = path.read_text()
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")
    return path


def _targets(lines: Sequence[Score]) -> Any:
    """A bar a line, from what is asked at least to what was reached, on a scale of ratios."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(11, 0.42 * len(lines) + 1.8), layout="constrained")
    axes = figure.add_subplot()
    for place, line in enumerate(lines):
        value = line.value or 1.0
        axes.barh(
            place,
            value - 1,
            left=1,
            height=0.62,
            color=_COLOURS[line.verdict],
            hatch="////" if line.behind else None,
            edgecolor="white" if line.behind else "none",
        )
        if line.aim is not None:
            axes.plot([line.aim, line.aim], [place - 0.4, place + 0.4], color=_INK, linewidth=1.6)
        axes.text(
            1.01,
            place,
            line.text + (f"\n{line.behind} is ahead" if line.behind else ""),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color="#a8500a" if line.verdict == "below" or line.behind else _INK,
        )
    axes.axvline(1, color=_INK, linewidth=1)
    axes.set_xscale("log")
    reached = [line.value for line in lines if line.value]
    most = max([*reached, *(line.aim for line in lines if line.aim), 2.0])
    axes.set_xlim(min([*reached, 0.5]) / 1.3, most * 1.3)
    low, high = axes.get_xlim()
    ticks = [tick for tick in _TICKS if low < tick < high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(lines)), [line.name for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel("times as good as asked at least (further right is better; | is the aim)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    keys = [Patch(color=_COLOURS[verdict], label=said) for verdict, said in _SAID.items()]
    keys.append(
        Patch(facecolor="#999999", edgecolor="white", hatch="////", label="a peer is ahead")
    )
    figure.legend(handles=keys, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _bars(panels: Sequence[Panel], columns: int, title: str) -> Any:
    """Panels of bars; those of trioex stand out."""
    from matplotlib.figure import Figure

    lines = -(-len(panels) // columns)
    tallest = max((len(panel.bars) for panel in panels), default=1)
    height = lines * (0.34 * max(tallest, 3) + 0.6) + 0.5
    figure = Figure(figsize=(11, height), layout="constrained")
    figure.suptitle(f"{title}; logarithmic scale", fontsize=10)
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(lines, columns, number)
        axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold")
        axes.set_xscale("log")
        for place, bar in enumerate(panel.bars):
            axes.barh(place, bar.value, height=0.66, color=_OURS if bar.is_ours else _PEERS)
            axes.annotate(
                bar.text,
                (bar.value, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontweight="bold" if bar.is_ours else "normal",
            )
        axes.set_yticks(range(len(panel.bars)), [bar.name for bar in panel.bars])
        axes.set_ylim(max(len(panel.bars), 1) - 0.4, -0.6)
        values = [bar.value for bar in panel.bars] or [1.0]
        axes.set_xlim(min(values) / 3, max(values) * 5)  # room for the figures
        axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
        axes.spines["bottom"].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
