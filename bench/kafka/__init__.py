"""LogMQ beside other brokers that speak the Kafka protocol (`bench/kafka_compare.py`)."""
