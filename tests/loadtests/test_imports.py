"""Who imports what in the load tests."""

import ast
from pathlib import Path

import loadtests

SOURCES = sorted(Path(loadtests.__file__).parent.rglob("*.py"))


def imported(source):
    """Return the top-level packages that a module imports, and the modules of ours."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_load_tests_do_not_import_the_service():
    """They measure a service, whichever it is."""
    assert SOURCES
    assert [s.name for s in SOURCES if "serving" in imported(s)] == []


def test_only_the_swarm_imports_locust():
    """Importing Locust patches the whole process, so that everything else stays free of it."""
    patched = [s.name for s in SOURCES if imported(s) & {"locust", "gevent"}]
    assert patched == ["master.py", "swarm.py", "users.py", "worker.py"]
