"""The subject of a client's certificate in words."""

from __future__ import annotations

import pytest

from logmq.protocols.peer import distinguished_name

SUBJECTS = [
    (((("commonName", "billing"),),), "CN=billing"),
    (
        ((("countryName", "DE"),), (("organizationName", "Example"),), (("commonName", "billing"),)),
        "CN=billing,O=Example,C=DE",
    ),
    (((("commonName", "a"), ("userId", "7")),), "CN=a+UID=7"),
    (((("commonName", 'a,b+c"d\\e<f>g;h'),),), r"CN=a\,b\+c\"d\\e\<f\>g\;h"),
    (((("commonName", "#a"),),), r"CN=\#a"),
    (((("commonName", " a "),),), r"CN=\ a\ "),
    (((("commonName", " "),),), r"CN=\ "),
    (((("commonName", "a\0b"),),), r"CN=a\00b"),
    (((("emailAddress", "a@example.com"),),), "emailAddress=a@example.com"),
    ((), ""),
]


@pytest.mark.parametrize(("subject", "words"), SUBJECTS, ids=[words for _, words in SUBJECTS])
def test_a_subject_is_written_by_rfc_4514(subject: object, words: str) -> None:
    """The most specific part comes first, and no name can pretend to be several parts."""
    assert distinguished_name(subject) == words
