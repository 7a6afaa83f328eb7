"""The topic settings that are only kept: checked, and found again."""

from __future__ import annotations

import pytest

from logmq.errors import InvalidSetting
from logmq.kept_settings import KEPT_SETTINGS, parse_overrides


def test_kept_settings_are_checked_and_come_back_in_one_spelling() -> None:
    """Values are normalised; impossible ones and unknown names are refused by name; each default is allowed."""
    texts = {"min.insync.replicas": "02", "preallocate": "TRUE", "min.cleanable.dirty.ratio": "1", "retention.ms": "1d"}
    assert parse_overrides(texts) == {
        "min.insync.replicas": "2",
        "preallocate": "true",
        "min.cleanable.dirty.ratio": "1.0",
        "retention.ms": 86_400_000,
    }
    for each in KEPT_SETTINGS.values():
        assert each.kind.parse(each.default) == each.default
    wrong = {"min.insync.replicas": "0", "flush.ms": "x", "min.cleanable.dirty.ratio": "nan", "colour": "red"}
    for name, text in wrong.items():
        with pytest.raises(InvalidSetting, match=name):
            parse_overrides({name: text})
