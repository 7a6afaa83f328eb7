"""Consumer groups: who is a member, who reads which partitions, and how far the group has come.

refusal.py       why a group says no, one word each
member.py        a member, what it asks and what it is answered
votes.py         which protocol all members speak
subscription.py  which topics a consumer wants, out of the metadata that it joins with
membership.py    who is in a stable group, as it is stored
group.py         the classic protocol as a state machine: no I/O, no clock
offsets.py       committed offsets as a log
consumer_*.py    KIP-848, where the broker assigns partitions: member, state machine, assignors, pattern, rim (groups),
                 how it is stored (membership)
coordinator.py   the thin rim: futures, timers, bounds
"""
