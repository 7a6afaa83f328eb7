"""LogMQ beside Apache Kafka and Tansu, driven by Kafka clients: python bench/kafka_compare.py (bench/README.md)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# Run as a script, Python looks for modules beside the script; they begin at the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import machine
from bench.compare import ROOT
from bench.kafka.brokers import ApacheKafka, Broker, LogMQ, Sink, Tansu
from bench.kafka.figures import FIGURES
from bench.kafka.plot import draw
from bench.kafka.report import document, from_json, table, to_json
from bench.kafka.rounds import SUBJECTS, Comparison, Settings, compare
from bench.report import write_json

BROKERS: dict[str, Callable[[], Broker]] = {
    "logmq": LogMQ,
    "kafka": ApacheKafka,
    "kafka-flushing": lambda: ApacheKafka(flushing=True),
    "tansu": Tansu,
    "ceiling": Sink,
}


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python bench/kafka_compare.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--warmup", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--brokers", nargs="+", choices=BROKERS, default=list(BROKERS))
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--directory", type=Path, default=ROOT / "data", help="where all brokers keep their data")
    parser.add_argument("--onto", type=Path, metavar="JSON", help="go on with an earlier run: more rounds or brokers")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Compare, print the table, write it; 1 when a goal was missed or something could not be measured."""
    options = arguments(words)
    options.directory.mkdir(parents=True, exist_ok=True)
    machine.check_real_disk(options.directory)
    facts = machine.facts(options.directory)
    machine.warn_if_busy(facts)
    settings = Settings(options.rounds, options.duration, options.warmup, options.subjects, options.directory)
    comparison = from_json(json.loads(options.onto.read_text()), settings) if options.onto else Comparison(settings)
    compare([BROKERS[name]() for name in options.brokers], comparison)
    print("\n".join(table(comparison)))
    options.results.mkdir(parents=True, exist_ok=True)
    stem = f"{facts['date'][:10]}-{facts['commit'].rstrip('+')}-kafka"
    write_json(options.results / f"{stem}.json", to_json(comparison, facts))
    page = document(comparison, facts, f"{stem}.png")
    (options.results / f"{stem}.md").write_text(page, encoding="utf-8")
    caption = f"{facts['cpu']}, {facts['cores']} cores, {facts['file_system']}; {stem}"
    draw(comparison, list(comparison.versions), caption, options.results / f"{stem}.png")
    print(f"written to {stem}.json, .md and .png", file=sys.stderr)
    medians = comparison.medians()
    return int(bool(comparison.failures) or any(figure.met(medians) is False for figure in FIGURES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
