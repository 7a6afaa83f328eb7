"""LogMQ's own figures, one module a subject; each starts brokers of its own and returns `figure.Figure`s."""
