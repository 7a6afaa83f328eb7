from __future__ import annotations

from logmq.client.load.histogram import Histogram
from logmq.client.load.text import TextFollow
from logmq.client.load.window import ClosedWindow, PacedWindow, StreamWindow


def test_a_closed_window_keeps_so_many_unanswered() -> None:
    """As many requests are taken as were answered, and each answer's latency counts from its own sending."""
    latency = Histogram()
    window = ClosedWindow(10, latency)
    assert window.take(0) == 10
    assert window.take(0) == 0
    window.answered(4, 100)
    assert window.take(100) == 4
    window.answered(8, 300)
    assert window.unanswered == 2
    assert list(latency.buckets()) == [(100, 4), (200, 2), (301, 6)]


def test_a_budget_is_spent_and_then_awaited() -> None:
    """A window with a budget finishes when its last request is answered, not when it is sent."""
    window = ClosedWindow(4, Histogram(), budget=6)
    assert [window.take(0), window.take(0)] == [4, 0]
    window.answered(3, 1)
    assert window.take(1) == 2
    assert not window.finished
    window.answered(3, 2)
    assert window.take(2) == 0
    assert window.finished


def test_a_stopped_window_takes_nothing_more() -> None:
    """After stop only what is under way is awaited."""
    window = ClosedWindow(4, Histogram())
    window.take(0)
    window.stop()
    window.answered(3, 1)
    assert window.take(1) == 0
    assert not window.finished
    window.answered(1, 1)
    assert window.finished


def test_a_paced_window_counts_from_when_a_request_was_due() -> None:
    """A stall of the server shows in the latency of all requests that it held up, sent or not."""
    latency = Histogram()
    window = PacedWindow(1, latency, start_ns=1000, interval_ns=100)
    assert window.take(999) == 0
    assert window.take(1000) == 1
    assert window.take(1500) == 0  # the depth is used up
    window.answered(1, 1500)
    assert window.take(1500) == 1  # due at 1100
    window.answered(1, 1510)
    assert list(latency.buckets()) == [(411, 1), (501, 1)]


def test_a_paced_window_takes_all_that_is_due() -> None:
    """After a pause everything due goes out at once, as far as the depth allows, and nothing is due twice."""
    window = PacedWindow(8, Histogram(), start_ns=0, interval_ns=100)
    assert window.take(450) == 5
    assert window.take(450) == 0
    assert window.take(2000) == 3
    window.answered(8, 2000)
    assert window.take(2000) == 8
    window.stop()
    window.answered(7, 2000)
    assert window.take(9999) == 0
    assert window.unanswered == 1


def test_many_answers_at_once_are_recorded_at_their_slowest() -> None:
    """Grouping keeps recording cheap and never makes a latency look better."""
    latency = Histogram()
    window = PacedWindow(1000, latency, start_ns=0, interval_ns=10)
    assert window.take(9990) == 1000
    window.answered(1000, 20_000)
    assert latency.count == 1000
    assert latency.max_ns == 20_000
    assert latency.percentile(1) >= 10_010


def test_a_stream_is_asked_for_once() -> None:
    """One request; it is answered when the budget of messages has come."""
    exchange = TextFollow("t", 4).connect(0, 1)
    window = StreamWindow(exchange, Histogram(), budget=10)
    assert [window.take(0), window.take(0)] == [1, 0]
    window.answered(9, 5)
    assert not window.finished
    window.answered(1, 5)
    assert window.finished


def test_a_stream_measures_from_the_stamps() -> None:
    """Half of the messages count with the first one's stamp, half with the last one's."""
    exchange = TextFollow("t", 30, stamped=True).connect(0, 1)
    exchange.sent_range_ns = (100, 180)
    latency = Histogram()
    window = StreamWindow(exchange, latency)
    window.take(0)
    window.answered(5, 200)
    assert list(latency.buckets()) == [(20, 2), (100, 3)]
