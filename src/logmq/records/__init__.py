"""Records as bytes: pure functions, no input or output."""
