"""The Kafka protocol: size-delimited requests with a key, a version and a correlation id, answered in order."""
