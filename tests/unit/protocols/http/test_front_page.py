"""The front page and the console's files, as browsers and as curl ask for them."""

from __future__ import annotations

import gzip
import re

from tests.unit.protocols.http.http_session import HttpStage

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_a_browser_gets_the_console(http: HttpStage) -> None:
    """It asks for the page each time, and the page may run and load only what this broker serves."""
    answer = await http.client.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert '<div id="app">' in answer.text


async def test_curl_gets_a_list_of_the_calls(http: HttpStage) -> None:
    """With two of them to copy, for the address that was asked."""
    answer = await http.client.get("/")
    assert answer.headers["content-type"].startswith("text/plain")
    assert re.search(r"^POST +/topics/\{topic\}/records ", answer.text, re.MULTILINE)
    assert "curl http://localhost/topics/greetings/records" in answer.text
    assert "Accept" in answer.headers["vary"]


async def test_assets_are_kept_for_ever(http: HttpStage) -> None:
    """Their names change with their content; they go compressed to whoever takes that."""
    page = (await http.client.get("/", headers=BROWSER)).text
    paths = re.findall(r'"(/console/assets/[\w.-]+)"', page)
    assert {path.rpartition(".")[2] for path in paths} == {"js", "css", "svg"}
    for path in paths:
        plain = await http.client.get(path, headers={"Accept-Encoding": "identity"})
        assert plain.status_code == 200 and "content-encoding" not in plain.headers
        assert "immutable" in plain.headers["cache-control"]
        packed = await http.client.get(path, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
        assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))


async def test_nothing_but_assets_is_served(http: HttpStage) -> None:
    """No path leads out of their directory; an asset of an earlier version says what to do."""
    for path in ("/console/assets/../index.html", "/console/assets/..%2f..%2fconsole.py", "/console/index.html"):
        assert (await http.client.get(path)).status_code == 404
    answer = await http.client.get("/console/assets/index-OLD.js")
    assert answer.status_code == 404 and "load its page again" in answer.text
