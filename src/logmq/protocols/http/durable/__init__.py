"""The Durable Streams protocol: a stream at a URL, appended to, read on from any offset, followed, closed.

    headers.py   what requests say, checked
    offsets.py   offsets and cursors as clients see them
    state.py     what is known of a stream beside its records; how an idempotent producer is judged
    streams.py   all streams of the broker: made, forked, appended to, closed, deleted, expired
    content.py   bodies to records and back: bytes, or JSON messages
    events.py    the answer of Server-Sent Events

A stream is a topic of one partition; ADR 9 says why, and where the rest is kept. The protocol:
https://github.com/durable-streams/durable-streams, PROTOCOL.md.
"""
