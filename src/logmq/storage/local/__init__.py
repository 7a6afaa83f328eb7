"""Logs as plain files of one directory, made durable by one journal."""
