"""A load generator: many connections driven from one loop over any wire, far cheaper than what it loads.

`run.py` drives a `plan.Plan`, `processes.py` spreads it over processes, `result.py` is what comes out. What goes
over the wire is known to `wire.Wire` alone, so that the very same loop can drive other brokers for comparison.
"""
