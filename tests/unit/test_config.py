"""The settings: what may be written, which source wins, what an error says, and that docs/settings.md is true."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.config import (
    SETTINGS,
    SYNC_ALWAYS,
    SYNC_NEVER,
    TOPIC_SETTINGS,
    Config,
    SyncMode,
    load_config,
    parse_duration,
    parse_size,
    parse_topic_settings,
    show_duration,
    show_size,
    topic_settings,
)
from logmq.errors import InvalidConfig, InvalidSetting
from logmq.kept_settings import KEPT_SETTINGS, parse_overrides
from logmq.limits import MIB
from logmq.model import TopicSettings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0", 0),
        ("250", 250),
        ("100ms", 100),
        ("30s", 30_000),
        ("1.5s", 1500),
        ("10m", 600_000),
        ("10min", 600_000),
        ("12h", 43_200_000),
        ("7d", 604_800_000),
        ("7 d", 604_800_000),
        ("7D", 604_800_000),
    ],
)
def test_a_duration_takes_a_unit_or_counts_milliseconds(text: str, duration_ms: int) -> None:
    """A time may be written with any of the documented units; a plain number is milliseconds."""
    assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("64MB", 64_000_000),
        ("64MiB", 67_108_864),
        ("1GiB", 1 << 30),
        ("1.5gib", 3 << 29),
        ("2TB", 2 * 10**12),
        ("5 b", 5),
    ],
)
def test_a_size_takes_a_unit_or_counts_bytes(text: str, size: int) -> None:
    """KiB and its kin count in 1024s, KB and its kin in 1000s; a plain number is bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", " ", "x", "ms", "1 week", "1e3", "0x10", "1.0001s", "--1", "1_000", "٣", "9" * 30, "1s\n"]
)
def test_what_is_not_a_quantity_is_refused(text: str) -> None:
    """Nothing is guessed: other spellings of numbers, unknown units and fractions of a millisecond are errors."""
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=(1 << 63) - 1))
def test_a_shown_quantity_reads_back_exactly(quantity: int) -> None:
    """What is printed for a time or size can be written into a file again without a change."""
    assert parse_duration(show_duration(quantity)) == quantity
    assert parse_size(show_size(quantity)) == quantity


def test_sync_modes_print_as_they_are_written() -> None:
    """The three sync modes show the text that selects them."""
    assert str(SYNC_ALWAYS) == "always"
    assert str(SYNC_NEVER) == "never"
    assert str(SyncMode.every(100)) == "100ms"


# -- sources ---------------------------------------------------------------------------------------------------


def test_without_any_source_the_defaults_hold() -> None:
    """No flags, no variables, no file: exactly `Config()`, which loses nothing and syncs always."""
    config = load_config({}, {})
    assert config == Config()
    assert (config.host, config.port, config.data_dir) == ("127.0.0.1", 8080, Path("data"))
    assert (config.sync, config.retention_ms, config.retention_bytes) == (SYNC_ALWAYS, None, None)


def test_flags_go_before_variables_before_the_file_before_defaults(tmp_path: Path) -> None:
    """Each source overrides only what it names."""
    file = tmp_path / "broker.toml"
    file.write_text('port = 1\nhost = "file"\nsync = "never"\nlog_level = "debug"\n')
    environ = {"LOGMQ_PORT": "2", "LOGMQ_HOST": "environment"}
    config = load_config({"port": 3, "data_dir": None}, environ, file)
    assert (config.port, config.host, config.sync, config.log_level) == (3, "environment", SYNC_NEVER, "debug")
    assert config.data_dir == Path("data")


def test_the_file_is_the_given_one_then_the_variables_then_the_directorys(tmp_path: Path) -> None:
    """`--config` goes before LOGMQ_CONFIG, and that before ./logmq.toml; only one file is read."""
    for port, name in enumerate(["given.toml", "named.toml", "logmq.toml"], start=1):
        (tmp_path / name).write_text(f"port = {port}")
    named = {"LOGMQ_CONFIG": "named.toml"}
    assert load_config({}, named, Path("given.toml")).port == 1
    assert load_config({}, named).port == 2
    assert load_config({}, {}).port == 3


def test_values_in_the_file_may_be_numbers_truths_or_texts(tmp_path: Path) -> None:
    """TOML's own numbers and booleans mean the same as their texts."""
    (tmp_path / "logmq.toml").write_text(
        'port = 9090\nauto_create_topics = false\nretention_ms = "7d"\nretention_bytes = -1\nsync = "100ms"\n'
    )
    config = load_config({}, {})
    assert (config.port, config.auto_create_topics, config.retention_ms) == (9090, False, 604_800_000)
    assert (config.retention_bytes, config.sync) == (None, SyncMode.every(100))


def test_every_setting_takes_its_default_from_every_source(tmp_path: Path) -> None:
    """Flag, variable and file key exist for each row of the table and read the documented default back."""
    texts = {name: setting.default_text for name, setting in SETTINGS.items()}
    assert load_config(texts, {}) == Config()
    assert load_config({}, {SETTINGS[name].variable: text for name, text in texts.items()}) == Config()
    (tmp_path / "logmq.toml").write_text("".join(f'{name} = "{text}"\n' for name, text in texts.items()))
    assert load_config({}, {}) == Config()


def test_empty_variables_and_those_of_other_commands_do_not_count() -> None:
    """An empty LOGMQ_PORT is unset, and LOGMQ_SERVER belongs to the client commands."""
    environ = {"LOGMQ_PORT": "", "LOGMQ_SERVER": "example.com:1", "PATH": "/bin"}
    assert load_config({}, environ) == Config()


def test_a_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a file or variable, where no shell expands it, is the home directory."""
    monkeypatch.setenv("HOME", "/home/someone")
    assert load_config({}, {"LOGMQ_DATA_DIR": "~/logs"}).data_dir == Path("/home/someone/logs")


# -- errors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("host", ""),
        ("host", "a b"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("data_dir", ""),
        ("sync", "sometimes"),
        ("sync", "0"),
        ("sync", "2h"),
        ("retention_ms", "-2"),
        ("segment_size_bytes", "none"),
        ("segment_size_bytes", "1"),
        ("message_size_max_bytes", "2GiB"),
        ("partition_count", "0"),
        ("partition_count", "10001"),
        ("auto_create_topics", "maybe"),
        ("log_format", "xml"),
        ("detect_timeout_ms", "0"),
    ],
)
def test_a_value_that_is_not_allowed_names_its_source_and_what_is(name: str, text: str) -> None:
    """The message of a bad flag holds the flag, the text found and what may stand there instead."""
    with pytest.raises(InvalidConfig) as caught:
        load_config({name: text}, {})
    assert (
        str(caught.value) == f"{SETTINGS[name].flag}: {text!r} is not allowed; it takes {SETTINGS[name].kind.allowed}"
    )


def test_a_bad_variable_is_named() -> None:
    """The message names the environment variable."""
    with pytest.raises(InvalidConfig, match=r"^environment variable LOGMQ_PORT: 'tcp://10\.0\.0\.1' is not allowed"):
        load_config({}, {"LOGMQ_PORT": "tcp://10.0.0.1"})


def test_a_bad_key_is_named_with_its_file(tmp_path: Path) -> None:
    """The message names the file and the key."""
    file = tmp_path / "broker.toml"
    file.write_text("port = 1.5")
    with pytest.raises(InvalidConfig, match=rf"^configuration file {file}, key port: '1.5' is not allowed; it takes"):
        load_config({}, {}, file)


def test_an_unknown_variable_is_an_error_with_a_suggestion() -> None:
    """A misspelt LOGMQ_ variable would otherwise be a setting silently not made."""
    with pytest.raises(InvalidConfig, match=r"LOGMQ_SINC: no such setting; did you mean LOGMQ_SYNC\?"):
        load_config({}, {"LOGMQ_SINC": "always"})


def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    """So is a misspelt key of the file; where nothing is close the message says where to look."""
    file = tmp_path / "logmq.toml"
    file.write_text('data-dir = "x"')
    with pytest.raises(InvalidConfig, match=r"key data-dir: no such setting; did you mean data_dir\?"):
        load_config({}, {})
    file.write_text("xyzzy = 1")
    with pytest.raises(InvalidConfig, match=r"key xyzzy: no such setting; docs/settings\.md lists them"):
        load_config({}, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"port = ", "not a TOML file: "),
        (b"\xff", "not a TOML file: "),
        (b"[server]\nport = 1", "key server: settings stand at the top level, without [server]"),
    ],
)
def test_a_file_that_cannot_be_understood_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    """Broken TOML, bytes that are no text, and tables are reported with the file's name."""
    (tmp_path / "logmq.toml").write_bytes(content)
    with pytest.raises(InvalidConfig, match=re.escape(message)) as caught:
        load_config({}, {})
    assert "configuration file logmq.toml" in str(caught.value)


def test_a_file_that_was_asked_for_must_be_there() -> None:
    """`--config` with a path that does not exist stops the start."""
    with pytest.raises(InvalidConfig, match=r"configuration file nowhere\.toml: No such file or directory"):
        load_config({}, {}, Path("nowhere.toml"))


@given(st.sampled_from(sorted(SETTINGS)), st.text())
def test_any_text_is_a_value_or_an_invalid_config(name: str, text: str) -> None:
    """No text crashes the reading of a setting: it is a value that reads back, or an InvalidConfig."""
    try:
        value = getattr(load_config({name: text}, {}), name)
    except InvalidConfig:
        return
    kind = SETTINGS[name].kind
    if name != "data_dir":  # "~" is expanded once
        assert kind.parse(kind.show(value)) == value


# -- topics ----------------------------------------------------------------------------------------------------


def test_topic_settings_are_read_by_kafkas_names() -> None:
    """Units are accepted; -1 and none take the limit off retention."""
    texts = {"retention.ms": "7d", "retention.bytes": "-1", "segment.bytes": "64MiB", "max.message.bytes": "1000"}
    assert parse_topic_settings(texts) == {
        "retention.ms": 604_800_000,
        "retention.bytes": None,
        "segment.bytes": 67_108_864,
        "max.message.bytes": 1000,
    }
    assert parse_topic_settings({"retention.ms": "none"}) == {"retention.ms": None}
    assert parse_topic_settings({"message.timestamp.type": "logappendtime", "cleanup.policy": "compact, delete"}) == {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "compact,delete",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("segment.bytes", "-1"),
        ("max.message.bytes", "0"),
        ("max.message.bytes", "none"),
        ("retention.ms", "soon"),
        ("retention.ms", ""),
        ("cleanup.policy", "forget"),
        ("cleanup.policy", "delete,delete"),
        ("message.timestamp.type", "now"),
        ("retention_ms", "1"),
        ("", ""),
    ],
)
def test_an_impossible_topic_setting_is_refused_by_name(name: str, text: str) -> None:
    """Unknown names and values out of range raise InvalidSetting with the name and the reason."""
    with pytest.raises(InvalidSetting) as caught:
        parse_topic_settings({name: text})
    assert caught.value.name == name
    assert "only retention.ms" in caught.value.reason or "it takes" in caught.value.reason


def test_a_topics_own_values_lie_over_the_brokers() -> None:
    """Only what was set for the topic differs from the broker's settings; None there is without limit."""
    config = Config(retention_ms=5, retention_bytes=6, segment_size_bytes=7000, message_size_max_bytes=8)
    assert topic_settings(config, {}) == TopicSettings(5, 6, 7000, 8)
    assert topic_settings(config, {"retention.ms": None, "segment.bytes": 9000}) == TopicSettings(None, 6, 9000, 8)


def test_the_topic_table_covers_the_topic_model() -> None:
    """Each field of TopicSettings can be set, and its default is a setting of the broker of the same kind."""
    defaults = [setting.default for setting in TOPIC_SETTINGS.values()]
    assert defaults == [each.name for each in dataclasses.fields(TopicSettings)]
    assert [setting.kind for setting in TOPIC_SETTINGS.values()] == [SETTINGS[name].kind for name in defaults]


# -- the page --------------------------------------------------------------------------------------------------


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of docs/settings.md, without its two header lines."""
    section = DOCS.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def test_the_page_lists_every_setting_as_it_is() -> None:
    """docs/settings.md has exactly the broker's settings, in order, with default, unit, values and meaning."""
    assert table("The broker") == [
        [f"`{each.name}`", f"`{each.default_text}`", each.kind.unit or "-", each.kind.allowed, each.meaning]
        for each in SETTINGS.values()
    ]


def test_the_page_lists_every_topic_setting_as_it_is() -> None:
    """docs/settings.md has exactly the topics' settings, in order."""
    assert table("Topics") == [
        [f"`{each.name}`", each.kind.unit or "-", each.kind.allowed, each.meaning, f"`{each.default}`"]
        for each in TOPIC_SETTINGS.values()
    ]


def test_the_page_lists_every_kept_setting_as_it_is() -> None:
    """docs/settings.md has exactly the settings that are only kept, in order."""
    assert table("Kept for Kafka clients") == [
        [f"`{each.name}`", f"`{each.default}`" if each.default else "-", each.kind.allowed, each.meaning]
        for each in KEPT_SETTINGS.values()
    ]


def test_kept_settings_are_checked_and_come_back_in_one_spelling() -> None:
    """Values are normalised; impossible ones and unknown names are refused by name; each default is allowed."""
    texts = {"min.insync.replicas": "02", "preallocate": "TRUE", "min.cleanable.dirty.ratio": "1", "retention.ms": "1d"}
    assert parse_overrides(texts) == {
        "min.insync.replicas": "2",
        "preallocate": "true",
        "min.cleanable.dirty.ratio": "1.0",
        "retention.ms": 86_400_000,
    }
    for each in KEPT_SETTINGS.values():
        assert each.kind.parse(each.default) == each.default
    wrong = {"min.insync.replicas": "0", "flush.ms": "x", "min.cleanable.dirty.ratio": "nan", "colour": "red"}
    for name, text in wrong.items():
        with pytest.raises(InvalidSetting, match=name):
            parse_overrides({name: text})


def test_the_pages_example_is_a_configuration_file(tmp_path: Path) -> None:
    """The example of docs/settings.md can be used as it stands."""
    example = DOCS.read_text().split("```toml\n")[1].split("```")[0]
    (tmp_path / "logmq.toml").write_text(example)
    config = load_config({}, {})
    assert (config.host, config.segment_size_bytes) == ("0.0.0.0", 256 * MIB)
    assert config.auto_create_topics is False
