"""The brokers that are compared, each started fresh on a directory of its own, all driven by the same loop."""
