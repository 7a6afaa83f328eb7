"""One process: wiring, listener, life cycle, logs."""
