"""Which source wins, and what an error says."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.config import SETTINGS, SYNC_ALWAYS, SYNC_NEVER, Config, ListenAddress, SyncMode, load_config
from logmq.errors import InvalidConfig


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_a_setting_of_several_values_takes_them_from_every_source(tmp_path: Path) -> None:
    """Repeated flags and a list in the file mean the same as commas; a list for another setting is an error."""
    expected = (ListenAddress("kafka", "a", 1), ListenAddress("text", "b", 2))
    (tmp_path / "logmq.toml").write_text('listen = ["kafka://a:1", "text://b:2"]')
    assert load_config({"listen": []}, {}).listen == expected
    assert load_config({"listen": ["http://c:3"]}, {}).listen == (ListenAddress("http", "c", 3),)
    assert load_config({"listen": ["kafka://a:1", "text://b:2"]}, {}, Path(os.devnull)).listen == expected
    assert load_config({}, {"LOGMQ_LISTEN": "kafka://a:1,text://b:2"}, Path(os.devnull)).listen == expected
    (tmp_path / "logmq.toml").write_text("listen = []")
    assert load_config({}, {}).listen == ()
    (tmp_path / "logmq.toml").write_text("port = [1]")
    with pytest.raises(InvalidConfig, match=r"key port: '\[1\]' is not allowed"):
        load_config({}, {})


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
        ("listen", "0.0.0.0:9092"),
        ("listen", "amqp://0.0.0.0:9092"),
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
