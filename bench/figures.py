"""LogMQ against its own goals: python bench/figures.py (bench/README.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

# Run as a script, Python looks for modules beside the script; they begin at the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import machine
from bench.compare import ROOT
from bench.http import live, produce, scrape
from bench.measures import commits, pressure, ready, start
from bench.measures.figure import Figure
from bench.report import machine_lines, write_json
from bench.rounds import temporary
from logmq import __version__

MEASURES: dict[str, Callable[[Path], list[Figure]]] = {
    "start": start.measure,
    "commits": commits.measure,
    "ready": ready.measure,
    "pressure": pressure.measure,
    "http-produce": produce.measure,
    "http-live": partial(live.measure, duration_s=20),
    "http-scrape": scrape.measure,
}


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python bench/figures.py", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--directory", type=Path, default=ROOT / "data", help="where the brokers keep their data")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Measure, print the table, write it; 1 when a goal was missed."""
    options = arguments(words)
    options.directory.mkdir(parents=True, exist_ok=True)
    machine.check_real_disk(options.directory)
    facts = machine.facts(options.directory)
    machine.warn_if_busy(facts)
    figures: list[Figure] = []
    for name in options.only:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        with temporary(options.directory) as directory:
            figures += MEASURES[name](directory)
    lines = table(figures)
    print("\n".join(lines))
    options.results.mkdir(parents=True, exist_ok=True)
    stem = f"{facts['date'][:10]}-{facts['commit'].rstrip('+')}-figures"
    write_json(options.results / f"{stem}.json", {"machine": facts, "figures": [asdict(each) for each in figures]})
    title = f"# LogMQ against its goals, {facts['date'][:10]}, commit {facts['commit']}"
    page = [title, "", *lines, "", *machine_lines(facts, {"LogMQ": __version__}), ""]
    (options.results / f"{stem}.md").write_text("\n".join(page), encoding="utf-8")
    print(f"written to {stem}.json and .md", file=sys.stderr)
    return int(not all(figure.met for figure in figures))


def table(figures: Sequence[Figure]) -> list[str]:
    """A Markdown table."""
    lines = ["| figure | goal | measured | |", "|---|---|---|---|"]
    for figure in figures:
        lines.append(f"| {figure.title} | {figure.goal} | {figure.measured} | {'met' if figure.met else 'MISSED'} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
