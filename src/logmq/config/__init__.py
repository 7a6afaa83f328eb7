"""The settings: one table for the broker, one for topics, and how their values are read.

    flags  >  LOGMQ_* environment  >  logmq.toml  >  defaults       the first source that names a setting wins

`Config` is the broker's table (`settings.py`): each field has its kind (what may be written, `kinds.py`), its default
and its meaning beside it, and everything else (flags, variables, keys of the file, docs/settings.md) follows from it.
A value is text in every source, in the unit that the setting's name ends with or with a unit of its own: `7d`,
`100ms`, `1GiB`, `64MB`, `4096`.

Nothing is guessed: an unknown key, an unknown LOGMQ_ variable or a value out of range stops the start with an
`InvalidConfig` that says where it stands and what may stand there.
"""

from logmq.config.listen_address import ListenAddress, show_address
from logmq.config.loading import load_config
from logmq.config.quantities import DAY, HOUR, MINUTE, SECOND, parse_duration, parse_size, show_duration, show_size
from logmq.config.settings import SETTINGS, Config, Setting
from logmq.config.sync_mode import SYNC_ALWAYS, SYNC_NEVER, SyncMode
from logmq.config.topics import TOPIC_SETTINGS, TopicSetting, parse_topic_settings, topic_settings

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "SETTINGS",
    "SYNC_ALWAYS",
    "SYNC_NEVER",
    "TOPIC_SETTINGS",
    "Config",
    "ListenAddress",
    "Setting",
    "SyncMode",
    "TopicSetting",
    "load_config",
    "parse_duration",
    "parse_size",
    "parse_topic_settings",
    "show_address",
    "show_duration",
    "show_size",
    "topic_settings",
]
