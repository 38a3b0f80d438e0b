"""Loads the configuration: defaults, profile, YAML file and environment, later ones winning."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from serving.failure import StartError
from serving.options import Settings

if TYPE_CHECKING:
    from serving.engine.profile import Profile

PREFIX = "SERVING_"
SHORT_NAMES = {
    "HOST": "gateway.host",
    "PORT": "gateway.port",
    "ADMIN_PORT": "gateway.admin_port",
    "PROFILE": "engine.profile",
    "MODEL": "engine.model",
}
CHOSEN_BY_HARDWARE = ("engine.profile", "engine.model")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings and, for every dotted option, where its value came from."""

    settings: Settings
    origins: dict[str, str]


@dataclass(frozen=True, slots=True)
class Value:
    """One configured value and where it was written."""

    value: Any
    origin: str


def load(config: Path | None, environ: Mapping[str, str], profile: Profile | None = None) -> Loaded:
    """Read all sources; `profile` goes under the file and the environment.

    Raises StartError for an unknown name, with the nearest known one, and for a bad value.
    """
    asked: dict[str, Value] = _from_file(config) if config is not None else {}
    asked |= _from_environment(environ)
    configured = asked if profile is None else _over(profile, asked)
    nested: dict[str, dict[str, Any]] = {group: {} for group in Settings.model_fields}
    for name, entry in configured.items():
        group, option = name.split(".")
        nested[group][option] = entry.value
    try:
        settings = Settings.model_validate(nested)
    except ValidationError as error:
        raise _bad_value(error, configured) from None
    origins = {name: entry.origin for name, entry in configured.items()}
    return Loaded(settings, dict.fromkeys(OPTIONS, "default") | origins)


def render(loaded: Loaded) -> str:
    """Write the effective settings as YAML that can be used again, each with its origin."""
    lines = []
    for group, options in loaded.settings.model_dump(mode="json").items():
        lines.append(f"{group}:")
        for option, value in options.items():
            entry = f"  {option}: {json.dumps(value, ensure_ascii=False)}"
            lines.append(f"{entry:<56}  # {loaded.origins[f'{group}.{option}']}")
    return "\n".join(lines)


def _known_options() -> dict[str, FieldInfo]:
    return {
        f"{group}.{option}": field
        for group, group_field in Settings.model_fields.items()
        for option, field in group_field.annotation.model_fields.items()  # type: ignore[union-attr]  # every group is a model
    }


OPTIONS = _known_options()
VARIABLES = {f"{PREFIX}{name.upper().replace('.', '__')}": name for name in OPTIONS}


def _over(profile: Profile, asked: Mapping[str, Value]) -> dict[str, Value]:
    """Put what was asked for over the profile, which decides where that was left to it."""
    named = {f"engine.{option}": value for option, value in profile.engine.items()}
    chosen = _checked(named | {"engine.profile": profile.name}, f"profile {profile.name}")
    decided = {
        name: entry
        for name, entry in asked.items()
        if name not in CHOSEN_BY_HARDWARE or entry.value != "auto"
    }
    return chosen | decided


def _from_file(path: Path) -> dict[str, Value]:
    origin = f"file {path.name}"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise StartError(
            f"The configuration file {path} cannot be read: {reason}.",
            "Give the path of a readable YAML file to --config.",
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise StartError(
            f"The configuration file {path}{line} is not valid YAML.", "Correct it."
        ) from None
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise StartError(
            f"The configuration file {path} holds no groups.",
            f"Start it with {_listed(f'{group}:' for group in Settings.model_fields)}.",
        )
    named: dict[str, Any] = {}
    for group, options in document.items():
        if group not in Settings.model_fields:
            raise _unknown(str(group), Settings.model_fields, origin)
        if options is not None and not isinstance(options, dict):
            raise StartError(
                f"{group} in {origin} holds no options.", f"Indent them under {group}:."
            )
        named |= {f"{group}.{option}": value for option, value in (options or {}).items()}
    return _checked(named, origin)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Value]:
    """Read variables; an empty one counts as not set, and the long name beats the short one."""
    found = {name: environ[short] for short, name in SHORT_NAMES.items() if environ.get(short)}
    origins = {SHORT_NAMES[short]: short for short in SHORT_NAMES if environ.get(short)}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        if variable not in VARIABLES:
            raise _unknown(variable, VARIABLES, "the environment")
        if environ[variable]:
            found[VARIABLES[variable]] = environ[variable]
            origins[VARIABLES[variable]] = variable
    return {
        name: Value(_parsed(name, text), f"environment {origins[name]}")
        for name, text in found.items()
    }


def _parsed(name: str, text: str) -> Any:
    """Return a variable's text as it is, or split where the option is a list."""
    if "tuple[" not in str(OPTIONS[name].annotation):
        return text
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checked(named: Mapping[str, Any], origin: str) -> dict[str, Value]:
    for name in named:
        if name not in OPTIONS:
            raise _unknown(name, OPTIONS, origin)
    return {name: Value(value, origin) for name, value in named.items()}


def _unknown(name: str, known: Iterable[str], origin: str) -> StartError:
    candidates = list(known)
    nearest = difflib.get_close_matches(name, candidates, n=1, cutoff=0.5)
    next_step = (
        f"Did you mean {nearest[0]}?" if nearest else "`serving settings` lists what there is."
    )
    return StartError(f"{name} in {origin} is no option.", next_step)


def _bad_value(error: ValidationError, configured: Mapping[str, Value]) -> StartError:
    """Say the first problem; the value itself only where it cannot be a secret."""
    problem = error.errors(include_url=False)[0]
    reason = problem["msg"].removeprefix("Value error, ")
    name = ".".join(str(part) for part in problem["loc"][:2])
    if name not in OPTIONS:  # a whole group: its options contradict each other
        return StartError(f"{reason}.", "Set or correct one of them.")
    field, entry = OPTIONS[name], configured[name]
    reason = reason[0].lower() + reason[1:]
    shown = "" if "Secret" in str(field.annotation) else f" {entry.value!r}"
    return StartError(
        f"{name}{shown} ({entry.origin}) is refused: {reason}.",
        f"Change it there; it means: {field.description}.",
    )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"
