"""The line protocol for people with nc."""
