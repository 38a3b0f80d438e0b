"""What the server says of itself is true: its page's samples and its document's examples run."""

import html
import re
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from serving.gateway.dialect import DIALECTS
from serving.gateway.docs.operations import OPERATIONS

EXAMPLES = [
    pytest.param(dialect.base + path, name, id=f"{dialect.base}{path}: {name}")
    for dialect in DIALECTS
    for path, operation in OPERATIONS.items()
    for name in operation.examples
]


@pytest.fixture(scope="module")
def described(endpoint: Any) -> Any:
    """Return the document."""
    return endpoint.http.get(f"{endpoint.url}/openapi.json").raise_for_status().json()


@pytest.mark.parametrize(("path", "name"), EXAMPLES)
def test_example_is_answered(endpoint: Any, described: Any, path: str, name: str) -> None:
    """An example sent as it stands gets an answer of the type that the document names."""
    operation = described["paths"][path]["post"]
    example = operation["requestBody"]["content"]["application/json"]["examples"][name]["value"]
    answer = endpoint.http.post(endpoint.url + path, json=example)
    assert answer.status_code == 200, answer.text
    kind = answer.headers["content-type"].partition(";")[0]
    schema = operation["responses"]["200"]["content"][kind]["schema"]
    assert (kind == "text/event-stream") == bool(example.get("stream"))
    if kind == "application/json":
        jsonschema.validate(answer.json(), schema | {"components": described["components"]})


@pytest.mark.parametrize("sample", [0, 1, 2, 3], ids=["curl", "openai", "openrouter", "anthropic"])
def test_sample_of_the_page_runs(endpoint: Any, sample: int) -> None:
    """What a reader copies from the page prints the right sum, with no address to change."""
    page = endpoint.http.get(f"{endpoint.url}/docs").raise_for_status().text
    blocks = re.findall(r'<code data-language="(\w+)">(.*?)</code>', page, re.DOTALL)
    assert len(blocks) == 4
    language, block = blocks[sample]
    assert endpoint.url in block
    command = ["bash"] if language == "sh" else [sys.executable]
    done = subprocess.run(
        [*command, "-c", html.unescape(block)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "19" in done.stdout
