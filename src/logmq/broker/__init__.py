"""What a broker is: topics, produce, fetch, committed offsets; no protocol, no disk."""
