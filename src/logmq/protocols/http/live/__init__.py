"""Live streams: records as they come, to many subscribers at once.

positions.py     where a subscriber is, and how an event id says it
events.py        records as bytes of Server-Sent Events or WebSocket frames
sampling.py      which records are sent where not all are wanted
reader.py        records of a topic from a position on, as events
feed.py          reads and formats once for all subscribers at the end of a topic
hub.py           the feeds of the broker
subscription.py  one subscriber: catches up by itself, then joins a feed
"""
