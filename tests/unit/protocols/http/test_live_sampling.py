"""Which records are sent when not all are wanted."""

from __future__ import annotations

import random

import pytest

from logmq.protocols.http.live.sampling import Sampler


def test_all_are_chosen_while_there_are_few() -> None:
    """Below the rate nothing is left out, and a burst after a silence is no reason to."""
    sampler = Sampler(50, 0.0)
    for tenth in range(100):
        assert len(sampler.choose(4, tenth / 10)) == 4
    assert list(sampler.choose(0, 20.0)) == []
    assert list(sampler.choose(40, 30.0)) == list(range(40))


def test_what_is_chosen_lies_evenly() -> None:
    """Of a thousand at once every twentieth, the last one too."""
    chosen = Sampler(50, 0.0).choose(1000, 0.1)
    assert list(chosen) == list(range(19, 1000, 20))


def test_a_steady_flood_is_thinned_at_an_even_pace() -> None:
    """Once the first second is over, each eighth of a second brings an eighth of what a second may."""
    sampler = Sampler(48, 0.0)
    counts = [len(sampler.choose(1000, eighth / 8)) for eighth in range(1, 41)]
    assert counts[16:] == [6] * 24


@pytest.mark.parametrize("rate_max", [1, 3, 50, 10_000])
def test_no_second_has_more_than_it_may(rate_max: int) -> None:
    """Whatever comes whenever: within any second no more than `rate_max` are chosen, and some are."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    source, sampler, now_s = random.Random(seed), Sampler(rate_max, 0.0), 0.0
    chosen: list[tuple[float, int]] = []
    for _ in range(1500):
        now_s += source.choice([0.0, 0.001, 0.1, 0.3, 2.5])
        count = source.choice([0, 1, 5, 100, 12_000])
        numbers = sampler.choose(count, now_s)
        assert list(numbers) == sorted(set(numbers))
        assert all(0 <= number < count for number in numbers)
        chosen.append((now_s, len(numbers)))
        assert sum(many for then_s, many in chosen[-1200:] if then_s > now_s - 1.0) <= rate_max
    assert sum(many for _, many in chosen) > 0
