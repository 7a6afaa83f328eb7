"""Engines that keep records; engine.py is their contract."""
