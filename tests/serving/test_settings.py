"""Configuration: what wins over what, what is refused, and what is shown."""

import re
from pathlib import Path

import pytest
import yaml

from serving.engine import profile
from serving.failure import StartError
from serving.options import GatewaySettings, Settings
from serving.settings import load, render


def written(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text)
    return path


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    """Default, profile, file and environment overlay each other in this order."""
    config = written(tmp_path, "engine: {max_num_seqs: 5, limit_images: 3}\n")
    environ = {"SERVING_ENGINE__LIMIT_IMAGES": "2"}

    loaded = load(config, environ, profile.load("cpu"))

    engine = loaded.settings.engine
    assert (engine.max_model_len, engine.max_num_seqs, engine.limit_images) == (16384, 5, 2)
    assert loaded.origins["engine.max_model_len"] == "profile cpu"
    assert loaded.origins["engine.max_num_seqs"] == "file site.yaml"
    assert loaded.origins["engine.limit_images"] == "environment SERVING_ENGINE__LIMIT_IMAGES"
    assert loaded.origins["gateway.port"] == "default"


@pytest.mark.parametrize(
    ("short", "text", "option", "value"),
    [
        ("HOST", "0.0.0.0", "gateway.host", "0.0.0.0"),  # noqa: S104 - nothing is bound
        ("PORT", "8010", "gateway.port", 8010),
        ("ADMIN_PORT", "9010", "gateway.admin_port", 9010),
        ("PROFILE", "h100", "engine.profile", "h100"),
        ("MODEL", "tiny", "engine.model", "tiny"),
    ],
)
def test_short_names_set_their_option(short: str, text: str, option: str, value: str | int) -> None:
    """The five short variables are the options they stand for."""
    loaded = load(None, {short: text})

    group, name = option.split(".")
    assert getattr(getattr(loaded.settings, group), name) == value
    assert loaded.origins[option] == f"environment {short}"


def test_the_long_name_beats_the_short_one() -> None:
    """A variable that names the group is the more exact wish."""
    loaded = load(None, {"PORT": "1", "SERVING_GATEWAY__PORT": "2"})

    assert loaded.settings.gateway.port == 2


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files pass variables on that nobody has set."""
    loaded = load(None, {"PORT": "", "SERVING_ENGINE__MODEL": ""})

    assert loaded.settings.gateway.port == GatewaySettings().port
    assert loaded.origins["engine.model"] == "default"


@pytest.mark.parametrize("text", ["one,two", " one , two ", '["one", "two"]'])
def test_lists_are_read_from_a_variable(text: str) -> None:
    """A list is written with commas or as JSON."""
    loaded = load(None, {"SERVING_GATEWAY__API_KEYS": text})

    assert [key.get_secret_value() for key in loaded.settings.gateway.api_keys] == ["one", "two"]


def test_auto_leaves_model_and_profile_to_the_hardware() -> None:
    """Asking for auto by name is the same as not asking."""
    loaded = load(None, {"MODEL": "auto", "PROFILE": "auto"}, profile.load("cpu"))

    assert (loaded.settings.engine.model, loaded.settings.engine.profile) == ("tiny", "cpu")


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        pytest.param(
            "", {"SERVING_ENGIN__MODEL": "x"}, "SERVING_ENGINE__MODEL?", id="misspelt variable"
        ),
        pytest.param(
            "", {"SERVING_ENGINE_MODEL": "x"}, "SERVING_ENGINE__MODEL?", id="one underscore"
        ),
        pytest.param("engines: {}", {}, "Did you mean engine?", id="misspelt group"),
        pytest.param(
            "engine: {max_modle_len: 1}", {}, "engine.max_model_len?", id="misspelt option"
        ),
        pytest.param("engine: 3", {}, "engine in file site.yaml", id="group without options"),
        pytest.param("- engine", {}, "holds no groups", id="list instead of groups"),
        pytest.param("engine: {a: [", {}, "line 1 is not valid YAML", id="not YAML"),
        pytest.param(
            "", {"PORT": "eighty"}, "gateway.port 'eighty' (environment PORT)", id="no number"
        ),
        pytest.param(
            "gateway: {port: 70000}", {}, "(file site.yaml) is refused", id="out of range"
        ),
        pytest.param("engine: {max_model_len: -1}", {}, "greater than 0", id="negative context"),
        pytest.param("engine: {kv_cache_dtype: fp7}", {}, "fp8_e4m3", id="unknown choice"),
        pytest.param("engine: {yarn_factor: 9}", {}, "less than or equal to 4", id="stretched"),
        pytest.param("", {"SERVING_GATEWAY__API_KEYS": "[1"}, "gateway.api_keys", id="not JSON"),
        pytest.param("models: {prompt_price: -1}", {}, "greater than or equal to 0", id="price"),
        pytest.param("models: {prompt_price: .inf}", {}, "finite number", id="endless price"),
        pytest.param("models: {price_discount: 35}", {}, "less than or equal to 1", id="percent"),
        pytest.param("gateway: {max_videos: -1}", {}, "greater than or equal to 0", id="videos"),
        pytest.param("models: {price: 1}", {}, "Did you mean models.", id="no such price"),
        pytest.param(
            "", {"PORT": "9000"}, "gateway.port and gateway.admin_port are both 9000", id="one port"
        ),
        pytest.param(
            "gateway: {tls_cert_file: a.pem}", {}, "gateway.tls_key_file go together", id="half TLS"
        ),
        *(
            pytest.param(
                f"{group}: {{otlp_traces_endpoint: '{url}'}}",
                {},
                "must be a whole URL, such as http://collector:4318/v1/traces",
                id=f"{group} collector {url}",
            )
            for group in ("gateway", "engine")
            for url in (
                "http://collector:4318",
                "http://collector:4318/",
                "collector:4318/v1/traces",
            )
        ),
    ],
)
def test_bad_configuration_is_refused_with_the_next_step(
    tmp_path: Path, text: str, environ: dict[str, str], said: str
) -> None:
    """What is unknown or out of range stops the start and is named, with the nearest name."""
    with pytest.raises(StartError, match=re.escape(said)):
        load(written(tmp_path, text), environ)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("{}", {}),
        ("models: {prompt_price: 0.5}", {"prompt": 0.5}),
        ("models: {completion_price: 2, price_discount: 0}", {"completion": 2.0, "discount": 0.0}),
    ],
)
def test_only_prices_that_were_set_change_any(
    tmp_path: Path, text: str, price: dict[str, float]
) -> None:
    """The model's own list holds for the others; 0 is a price."""
    assert load(written(tmp_path, text), {}).settings.models.price == price


def test_new_limits_have_their_defaults() -> None:
    """One video, and the thought's older name, until a site says otherwise."""
    gateway = load(None, {"SERVING_GATEWAY__REASONING_CONTENT": "false"}).settings.gateway

    assert (GatewaySettings().max_videos, GatewaySettings().reasoning_content) == (1, True)
    assert not gateway.reasoning_content


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A configuration file that was asked for must be there."""
    with pytest.raises(StartError, match=r"absent\.yaml cannot be read: No such file"):
        load(tmp_path / "absent.yaml", {})


def test_secrets_are_never_shown() -> None:
    """Neither the effective settings nor a refusal shows a key."""
    shown = render(load(None, {"SERVING_GATEWAY__API_KEYS": "canary"}))
    with pytest.raises(StartError) as refusal:
        load(None, {"SERVING_GATEWAY__API_KEYS": '[["canary"]]'})

    assert 'api_keys: ["**********"]' in shown
    assert "canary" not in shown + str(refusal.value)


def test_rendered_settings_can_be_loaded_again(tmp_path: Path) -> None:
    """What `serving settings` prints is a configuration file with the same meaning."""
    loaded = load(None, {"MODEL": "tiny", "SERVING_ENGINE__EXTRA_ARGS": "--seed,1"})

    assert load(written(tmp_path, render(loaded)), {}).settings == loaded.settings


def test_rendered_settings_name_every_option_and_origin() -> None:
    """No option is missing from the page."""
    page = render(load(None, {"PORT": "1"}))

    assert {group: set(options) for group, options in yaml.safe_load(page).items()} == {
        group: set(field.annotation.model_fields) for group, field in Settings.model_fields.items()
    }
    assert re.search(r"port: 1 +# environment PORT", page)


def test_every_option_is_described() -> None:
    """Each option says in a sentence what it means."""
    for group in Settings.model_fields.values():
        for name, field in group.annotation.model_fields.items():
            assert field.description, name


def test_settings_cannot_be_changed() -> None:
    """What was loaded at the start holds until the end."""
    with pytest.raises(ValueError, match="frozen"):
        load(None, {}).settings.gateway.port = 1
