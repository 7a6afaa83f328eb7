"""Measurements: LogMQ beside its peers (`compare.py`) and LogMQ against its own goals (`figures.py`)."""
