"""LogMQ beside Redis Streams and NATS JetStream: python bench/compare.py (bench/README.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# Run as a script, Python looks for modules beside the script; they begin at the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import machine
from bench.peers.logmq import LogMQ
from bench.peers.nats import Nats
from bench.peers.peer import Peer
from bench.peers.redis import Redis
from bench.plot import draw
from bench.report import document, table, to_json, write_json
from bench.rounds import Settings, compare
from bench.scenarios import SCENARIOS

PEERS: dict[str, type[Peer]] = {"logmq": LogMQ, "redis": Redis, "nats": Nats}
ROOT = Path(__file__).resolve().parent.parent


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python bench/compare.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=4.0, metavar="SECONDS")
    parser.add_argument("--warmup", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--scenarios", nargs="+", choices=[each.name for each in SCENARIOS])
    parser.add_argument("--directory", type=Path, default=ROOT / "data", help="where all brokers keep their data")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Compare, print the table, write it; 1 when a goal was missed."""
    options = arguments(words)
    options.directory.mkdir(parents=True, exist_ok=True)
    machine.check_real_disk(options.directory)
    facts = machine.facts(options.directory)
    machine.warn_if_busy(facts)
    peers = [PEERS[name]() for name in options.peers]
    versions = {peer.name: peer.version() for peer in peers}
    scenarios = [each for each in SCENARIOS if options.scenarios is None or each.name in options.scenarios]
    settings = Settings(options.rounds, options.duration, options.warmup, options.directory)
    comparison = compare(peers, scenarios, settings)
    print("\n".join(table(comparison, scenarios)))
    options.results.mkdir(parents=True, exist_ok=True)
    stem = f"{facts['date'][:10]}-{facts['commit'].rstrip('+')}"
    content = to_json(comparison, scenarios, facts, versions)
    write_json(options.results / f"{stem}.json", content)
    page = document(comparison, scenarios, facts, versions, f"{stem}.png")
    (options.results / f"{stem}.md").write_text(page, encoding="utf-8")
    caption = f"{facts['cpu']}, {facts['cores']} cores, {facts['file_system']}; {stem}"
    draw(comparison, scenarios, caption, options.results / f"{stem}.png")
    print(f"written to {stem}.json, .md and .png", file=sys.stderr)
    return int(any(each["goal_met"] is False for each in content["scenarios"].values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
