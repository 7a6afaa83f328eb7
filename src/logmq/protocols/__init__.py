"""Client bytes to broker calls and back; the protocols know nothing of each other."""
