"""Every bound of the broker that is not a setting, in one place, each with its reason.

Limits that a person may want to move are settings and stand in `config/settings.py`.
"""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

TOPIC_NAME_SIZE_MAX = 249
"""Kafka's limit. With `.index` behind it a name just fits a file name of 255 bytes; `names.py` shortens the rest."""

LISTENER_COUNT_MAX = 16
"""Addresses to listen on beside the port: a mistake in a list should not take all ports of a machine."""

TLS_HANDSHAKE_TIME_MAX_S = 10.0
TLS_HANDSHAKES_MAX = 1_000
"""How long a TLS handshake may take (slow networks take a second or two), and how many may be under way: each takes
some 60 KiB and nobody has shown a certificate yet. When one more comes the oldest is dropped, since honest ones are
done in milliseconds."""

TLS_CLOSE_TIME_MAX_S = 3.0
"""How long a client may take to confirm the end of a TLS connection: one round trip, if it lives."""

TLS_LOOK_INTERVAL_S = 5.0
"""How often the broker looks whether its certificate's files have changed: a `stat` of three files."""

TLS_EXPIRY_WARNING_S = 14 * 86_400.0
"""A certificate that is valid for less than this is worth a warning: renewal by machine happens a month ahead."""

GROUP_NAME_SIZE_MAX = 249
"""Group names are kept in memory for as long as their offsets are."""

GROUP_COUNT_MAX = 100_000
"""Consumer groups with members, and groups with offsets: anybody can make one by asking, for about a kilobyte each."""

GROUP_MEMBER_COUNT_MAX = 10_000
"""Members of one group: each rebalance tells the leader of all of them, which takes time in proportion."""

GROUP_MEMBER_SIZE_MAX = 1 * MIB
"""What one member may join with, and what it may be assigned: a consumer of 10,000 partitions needs some 200 KiB."""

GROUPS_SIZE_MAX = 256 * MIB
"""What all members of all groups joined with and were assigned; beyond it nobody new is let in."""

GROUP_READERS_SIZE_MAX = 1 * MIB
"""Bytes of assignments that are taken apart to show who reads what in a group: some 250,000 partitions, 0.2 s."""

SESSION_TIMEOUT_MIN_MS = 1_000
SESSION_TIMEOUT_MAX_MS = 30 * 60_000
"""Session timeouts that members may ask for. Shorter ones would make a pause of a garbage collector a death and
heartbeats a load; longer ones would keep dead members for hours. Kafka takes 6 seconds to 30 minutes."""

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000
"""How long a member that was never part of a generation may wait for one: nobody can say whether it lives. As Kafka."""

EXPECTED_MEMBERS_WAIT_MS = 100
EXPECTED_MEMBERS_WAIT_MAX_MS = 500
"""How long a new group waits for members that are about to come, after the first and after each that came, and in all.
Those who come later are learnt of by heartbeats, some three seconds apart; clients that start together join within a
few tens of milliseconds."""

PATTERN_SIZE_MAX = 4 * KIB
PATTERN_STATES_MAX = 10_000
"""A regular expression that a consumer subscribes by: characters, and states once repetitions are written out."""

PATTERN_STEPS_MAX = 1_000_000
PATTERN_STEPS_A_NAME_MAX = 1_000
"""Steps that such an expression may take over all names of topics: some 0.1 s, and 0.1 ms a name, on the event loop.
Usual ones take under 200 a name."""

OFFSET_METADATA_SIZE_MAX = 4 * KIB
"""The text that a consumer may commit with an offset; it is kept in memory. Kafka's default."""

OFFSETS_EXPIRY_INTERVAL_S = 60.0
"""Time between two looks for offsets past their retention: cheap, and days do not depend on a minute."""

PARTITION_COUNT_MAX = 10_000
"""Partitions of one topic. Each costs an open file and a few kilobytes of memory once it is used."""

COMMAND_LINE_SIZE_MAX = 4 * KIB
"""A text command other than PRODUCE: the longest sensible one is a CREATE with every setting (under 700 bytes)."""

CONSUME_COUNT_MAX = 1_000_000
"""Messages one CONSUME may ask for; they are streamed, so this bounds time, not memory."""

READ_SIZE = 256 * KIB
"""Bytes read from a log at a time for one reader: large enough to make a system call cheap, small enough
that a thousand readers hold 256 MiB at most."""

INDEX_INTERVAL = 16 * KIB
"""Log bytes between two index entries. One entry costs 40 bytes (0.25 %); a random read scans at most
this much, and damage is pinned down to this much."""

SPAN_SIZE_MIN = 256 * KIB
"""From this size on a log's part of a commit is synced in its own file instead of being copied into the journal."""

JOURNAL_FIRST_FILE_SIZE = 8 * MIB
"""The first journal file is written full of zeros before the broker listens, so it is small. None may be smaller: the
record of any commit has to fit (INLINE_SIZE_MAX and 56 bytes for each log in it)."""

DESCRIPTOR_RESERVE = 4096
"""Descriptors that connections leave to files, where there are twice as many: logs that were written since the last
checkpoint stay open until the next, each with its index."""

OPEN_FILES_MAX = 4096
"""Log files held open for reading and writing; those least recently used are closed."""

INLINE_SIZE_MAX = 2 * MIB
"""Bytes that one commit copies into the journal; what goes beyond becomes spans, so that a record always fits."""

COMMIT_SIZE_MAX = 8 * MIB
"""Bytes in one commit, give or take one append: what came in beyond that waits for the next, so that acknowledgements
do not wait for more than a commit of this size. One client may have two of them under way by default
(`connection_queue_size_bytes`): while one is written the next is received."""

CHECKPOINT_COMMITS_MAX = 50_000
"""Commits after which a checkpoint is due whatever the time: recovery replays about 100,000 commits a second."""

JOURNAL_FILE_COUNT_MAX = 4
"""Journal files: one in use, one free, two that wait for a checkpoint. Beyond that commits wait for the checkpoint."""

WORK_THREADS = 8
"""Threads for cold reads, checkpoints and the syncs of spans; they wait for the disk most of the time."""

OFFSETS_LOG_SIZE_MIN = 1 * MIB
"""Size from which on the log of committed offsets may be compacted: below it is read in a few milliseconds."""


DECOMPRESSED_SIZE_MAX = 64 * MIB
"""What one compressed batch may become where the broker looks into it: a few kilobytes can claim to be gigabytes."""

KEPT_SETTING_SIZE_MAX = 4 * KIB
"""A setting of a topic that is only kept: it lies in memory with its topic and goes out with every description."""

PRODUCER_ID_BLOCK_SIZE = 1000
"""Producer ids set aside by one transaction of Meta; those unused are lost when the broker stops. There are 2^63."""

DESCRIBED_PARTITIONS_MAX = 2000
"""Partitions in one answer to DescribeTopicPartitions; the client asks on from there. Kafka's default."""

KAFKA_SMALL_REQUEST_SIZE = 64 * KIB
"""Kafka requests up to this size are received without asking for room: a transport reads as much in one go."""

KAFKA_LARGE_REQUEST_SIZE = 4 * MIB
"""Kafka requests beyond this size share half of the room for requests: clients' own usual limit is 1 MiB."""

KAFKA_RECEIVE_SILENCE_MAX_S = 5.0
KAFKA_RECEIVE_TIME_MAX_S = 60.0
"""While others wait for room: how long a client may pause within a request, and how long the whole may take (100 MiB
at 14 Mbit/s)."""

LOOP_COMMIT_SIZE_MAX = 64 * KIB
LOOP_COMMIT_CALLS_MAX = 256
"""The largest commit that the event loop carries out itself: what a disk takes in well under a millisecond."""

ADMIN_ITEMS_MAX = 5_000
"""Topics or resources in one admin request whose answer is larger than the request: a resource named in five bytes is
described in five thousand. Those beyond are refused one by one."""

HTTP_HEAD_SIZE_MAX = 32 * KIB
HTTP_HEAD_TIME_MAX_S = 20.0
"""Request line and headers of an HTTP request: browsers send one or two kilobytes at once. What is larger or slower
keeps memory or a connection for nothing."""

HTTP_URL_SIZE_MAX = 16 * KIB
HTTP_HEADER_COUNT_MAX = 200
"""A URL, and how many headers: a header of a few bytes costs a hundred times as much memory."""

HTTP_FEED_SIZE = 4 * KIB
"""Bytes that are parsed before the broker looks whether a request waits for its turn: some 150 of the smallest
requests, which cost 4 KiB each."""

HTTP_LINGER_S = 5.0
"""How long a client that is still sending may take to read why it is sent away."""

HTTP_HALF_CLOSED_S = 5.0
"""How long an answer may take to come for a client that has ended its side: most that do so have gone."""

HTTP_KEEP_ALIVE_S = 75
"""How long an HTTP connection may wait for its next request: longer than most clients' own time, so that they close."""

HTTP_BODY_SILENCE_MAX_S = 30.0
"""How long an HTTP client may pause in the middle of a body."""

HTTP_BODY_TIME_MAX_S = 300.0
"""How long the whole of a body may take that is not small: 16 MiB at half a megabit a second."""

HTTP_BODIES_SIZE_MAX = 256 * MIB
HTTP_SMALL_BODY_SIZE = 64 * KIB
"""Bodies that are held whole, of all clients together, and those too small to count: ten thousand of them are 640 MiB
at worst, which takes as many connections."""

HTTP_SOCKET_MESSAGE_SIZE_MAX = 16 * MIB
"""One WebSocket message of a client: it is held whole, by up to 32 of them a connection."""

HTTP_PAGE_TOPICS_MAX = 10_000
"""Topics in one page of the HTTP API: about a megabyte, made in some 50 ms."""

HTTP_TIMESTAMP_MAX_MS = 253_402_300_799_999
"""The latest time that a record may be given by HTTP: the end of the year 9999, the last that dates can name."""

HTTP_TURNS_KEPT_MAX = 10_000
"""Topics for which the broker remembers whose turn it is among their partitions; a forgotten one begins anew."""

HTTP_SLICE_SIZE = 256 * KIB
"""Bytes of a body without end that are worked on at a time, some milliseconds' work, and become one append. The next
ones are read meanwhile, so a client holds twice as much."""

HTTP_RECORDS_MAX = 100_000
HTTP_OBJECTS_MAX = 1_000_000
"""Records in one request that is held whole, and opening brackets in its body: the smallest record takes three bytes of
JSON and some hundred of memory."""

HTTP_RECORDS_AT_ONCE_MAX = 2_000
"""Records that the event loop makes a batch of by itself, in some two milliseconds; a thread takes more of them."""

HTTP_BATCH_SIZE = 1 * MIB
"""Records of one request that become one batch, if the topic takes such: consumers fetch as much at once."""

HTTP_DECOMPRESSED_SIZE_MAX = 16 * MIB
"""What one batch may become to be shown as JSON. Clients measure a batch before they compress it and keep it under a
MiB or so; a few kilobytes can claim to be gigabytes."""

HTTP_LAST_SIZE_MAX = 256 * MIB
"""How far the broker looks back in a plain topic for the last so many records, in a fraction of a second: frames can be
found from their beginning only."""

HTTP_READ_COUNT_MAX = 10_000
HTTP_READ_SIZE_MAX = 16 * MIB
HTTP_READ_TIME_MAX_MS = 5 * 60_000
"""Records and bytes in one answer, which is made in memory, and how long it may be waited for."""

CLUSTER_EXTENT_SIZE_MAX = 1 * MIB
"""Records that a cluster's broker reads, checks and keeps together: one request to the object store."""

CLUSTER_OBJECT_SIZE_MAX = 8 * MIB
"""What one commit of a cluster puts into its object, give or take one append: what is beyond waits for the next."""

CLUSTER_OBJECTS_IN_FLIGHT = 8
"""Objects being written at a time: enough to hide the latency of an object store."""

CLUSTER_CACHE_SIZE_MAX = 256 * MIB
"""Extents held in memory for readers near the end."""

CLUSTER_CHECKPOINT_COMMITS = 1_000
"""Commits after which a checkpoint is due: whoever takes over reads an object for each commit since."""

CLUSTER_SEGMENT_SIZE = 64 * MIB
"""Bytes that are moved from commits' objects into one object, of one log or of many: they are in memory then."""

CLUSTER_PACKED_EXTENTS = 64
"""Small extents of one log, a checkpoint each, after which they are put together again: a request each to read."""

CLUSTER_READ_AHEAD = 4
"""Extents that are fetched before a reader of old records has asked for them: it asks for a MiB or so at a time."""

HTTP_PAGE_GROUPS_MAX = 10_000
"""Groups in one page of the HTTP API, with the lag of each."""

HTTP_GROUP_OFFSETS_MAX = 10_000
"""Offsets that one request may set for a group: they are one append."""

HTTP_SOCKET_CLOSE_TIME_MAX_S = 5.0
"""How long a WebSocket may take to close. Clients that live do it in one round trip."""

HTTP_SOCKET_PRODUCES_MAX = 16
"""Messages of one WebSocket that are being stored: beyond that no more are read from it. One commit takes them all."""

STREAM_COUNT_MAX = 100_000
"""Durable streams, the names of deleted ones with forks included: each takes about a kilobyte of memory."""

STREAM_PRODUCERS_MAX = 10_000
"""Idempotent producers remembered for one stream; the one that was silent for longest is forgotten first."""

STREAM_PRODUCER_ID_SIZE_MAX = 256
STREAM_SEQ_SIZE_MAX = 256
"""Names and numbers that writers of a stream make up. They are kept in memory."""

STREAM_RECORD_SIZE_MAX = 512 * KIB
"""Bytes of a stream that become one record: larger bodies become several, which consumers of any kind take."""

STREAM_READ_SIZE = 1 * MIB
"""About the most that one answer to a reader of a stream holds."""

STREAM_EVENTS_TIME_MAX_S = 60.0
"""How long the Server-Sent Events of a stream go on at a time. The protocol advises it, for caches in between."""

STREAM_EXPIRY_INTERVAL_S = 30.0
"""Time between two looks for streams whose time is over. Who asks for one finds it gone at once."""

LIVE_WAITING_SIZE_MAX = 1 * MIB
"""What may wait for one live subscriber, give or take one round of its feed; beyond it the subscriber is dropped. It
comes on top of what the kernel buffers, so that a client has paused for seconds by then."""

LIVE_READ_SIZE = 64 * KIB
"""Records that become events at a time, some 3 ms of the event loop where they are small."""

LIVE_PARTITIONS_MAX = 100
"""Partitions that one live stream follows: the id of each event names them all, and browsers send it back."""

LIVE_RATE_MAX = 100_000
"""The highest `rate_max`: beyond it nothing is ever left out."""

LIVE_PAUSE_S = 0.005
LIVE_SAMPLED_PAUSE_S = 0.1
"""The least time between two reads for a live stream, and for one that leaves records out. Of 10,000 messages/s 50 and
1,000 are read at a time."""

LIVE_TURN_COUNT = 256
"""Subscribers that are written to in one turn of the event loop: some 3 ms."""

LIVE_KEEP_ALIVE_S = 15.0
"""How long a live stream is silent at most: proxies close what is silent for 30 s or more."""

LIVE_LOOK_INTERVAL_S = 1.0
"""How often a live stream looks whether its topic got more partitions."""

HTTP_SEARCHES_MAX = 4
HTTP_SEARCH_SLICE_SIZE = 1 * MIB
HTTP_SEARCH_TEXT_SIZE_MAX = 1000
"""Searches at a time, each of which keeps a thread and the interpreter busy; the bytes of a log that one looks through
before others get their turn, some milliseconds' work; and the characters that it may look for."""
