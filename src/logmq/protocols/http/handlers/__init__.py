"""What answers the calls of the HTTP API: a module a subject."""
