"""One module a subject; each takes a broker that runs and returns figures by their names (`bench/kafka/figures.py`)."""
