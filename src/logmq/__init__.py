"""LogMQ: a durable, disk-backed message log with one port, one process and plain files."""

__version__ = "0.1.0"
