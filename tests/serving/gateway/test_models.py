"""GET /models in both dialects: what is really served, its limits, prices and parameters."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from serving.catalogue import INSTRUCT, THINKING, ModelEntry, entry_for
from serving.gateway.api.models import list_models
from serving.gateway.chat_request import ChatRequest
from serving.gateway.dialect import OPENAI, OPENROUTER, Dialect
from serving.options import GatewaySettings
from tests.fake_engine import MAX_MODEL_LEN

CONTRACT = Path(__file__).parents[4] / "shared" / "contracts" / "openrouter_schemas.txt"


class Told:
    """An exchange that keeps what it is to answer."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.body: Any = None

    async def answer(self, status: int, body: bytes) -> None:
        """Keep it."""
        assert status == 200
        self.body = msgspec.json.decode(body)


def card(entry: ModelEntry, dialect: Dialect, context: int | None = 262_144) -> dict[str, Any]:
    """Return what the list says of the model."""
    served: Any = SimpleNamespace(
        entry=entry,
        created=5,
        limits=GatewaySettings(),
        watch=SimpleNamespace(max_model_len=context),
    )
    told: Any = Told(dialect)
    asyncio.run(list_models(served, told))
    [only] = told.body["data"]
    found: dict[str, Any] = only
    return found


def published(schema: str) -> dict[str, bool]:
    """Return a published schema's fields, and whether each must be there."""
    if not CONTRACT.is_file():
        pytest.skip("the published schemas of OpenRouter are not at hand")
    found = re.search(rf"^### {schema} .*\n((?:  .*\n)+)", CONTRACT.read_text(), re.MULTILINE)
    assert found is not None
    fields = re.findall(r"^  (\w+)(\*?):", found[1], re.MULTILINE)
    return {name: bool(star) for name, star in fields}


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_the_list_holds_what_is_really_served(gateway, base):
    """One model, under its own id, whichever of its names it is asked for by."""
    listed = gateway.request("GET", f"{base}/models").json
    shown = gateway.request("GET", f"{base}/models/qwen/qwen3-vl-8b-thinking").json
    assert [model["id"] for model in listed["data"]] == ["tiny-qwen3-vl"]
    assert listed["data"][0] == (shown["data"] if base == "/api/v1" else shown)


def test_openais_card(gateway):
    """OpenAI's four fields, and the context as vLLM says it."""
    model = gateway.request("GET", "/v1/models").json["data"][0]
    assert model.keys() == {"id", "object", "created", "owned_by", "max_model_len"}
    assert (model["object"], model["max_model_len"]) == ("model", MAX_MODEL_LEN)


def test_an_unknown_model_is_404_naming_what_there_is(gateway):
    """In the dialect's form."""
    answer = gateway.request("GET", "/api/v1/models/gpt-9")
    assert (answer.status, answer.error["code"]) == (404, 404)
    assert answer.error["metadata"]["provider_code"] == "model_not_found"
    assert "tiny-qwen3-vl" in answer.error["message"]


@pytest.mark.parametrize(
    ("model", "pricing"),
    [
        (THINKING, {"prompt": "0.000000117", "completion": "0.000001365", "discount": 0.35}),
        (INSTRUCT, {"prompt": "0.00000008", "completion": "0.0000005", "discount": 0.0}),
        ("tiny", {"prompt": "0", "completion": "0", "discount": 0.0}),
    ],
)
def test_prices_are_usd_a_token_with_the_discount_taken_off(model, pricing):
    """Written out, never in powers of ten."""
    assert card(entry_for(model), OPENROUTER)["pricing"] == pricing | {"request": "0", "image": "0"}


def test_configured_prices_are_shown():
    """A site's own price replaces the catalogue's."""
    entry = entry_for(THINKING, price={"prompt": 1.0, "discount": 0.0})
    pricing = card(entry, OPENROUTER)["pricing"]
    assert (pricing["prompt"], pricing["completion"]) == ("0.000001", "0.0000021")


def test_a_thinking_models_card():
    """It always thinks, says how much by default, and takes efforts and budgets."""
    shown = card(entry_for(THINKING), OPENROUTER)
    assert shown["reasoning"] == {
        "mandatory": True,
        "default_enabled": True,
        "default_effort": "high",
        "supported_efforts": ["max", "xhigh", "high", "medium", "low", "minimal"],
        "supports_max_tokens": True,
    }
    assert shown["canonical_slug"] == "qwen/qwen3-vl-8b-thinking"
    assert shown["architecture"]["input_modalities"] == ["text", "image", "video"]
    assert shown["top_provider"]["max_completion_tokens"] == 32_768
    assert shown["default_parameters"]["top_p"] == 0.95


def test_a_model_that_does_not_think_has_no_reasoning():
    """Neither the block nor the parameters."""
    shown = card(entry_for(INSTRUCT), OPENROUTER)
    assert "reasoning" not in shown
    assert not {"reasoning", "include_reasoning"} & set(shown["supported_parameters"])


@pytest.mark.parametrize("model", [THINKING, INSTRUCT])
def test_supported_parameters_are_taken(model):
    """What the card names, the request's type has."""
    fields = set(ChatRequest.__struct_fields__)
    assert set(card(entry_for(model), OPENROUTER)["supported_parameters"]) <= fields


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("Model", []),
        ("ModelArchitecture", ["architecture"]),
        ("PublicPricing", ["pricing"]),
        ("TopProviderInfo", ["top_provider"]),
        ("ModelReasoning", ["reasoning"]),
        ("DefaultParameters", ["default_parameters"]),
    ],
)
def test_the_card_keeps_openrouters_schema(schema, path):
    """Every field is one of the published ones, and all that must be there are."""
    fields, shown = published(schema), card(entry_for(THINKING), OPENROUTER)
    for name in path:
        shown = shown[name]
    assert shown.keys() <= fields.keys()
    assert {name for name, must in fields.items() if must} <= shown.keys()


def test_an_engine_not_yet_seen_has_no_context():
    """The list can be asked for before the engine has answered."""
    assert card(entry_for("tiny"), OPENROUTER, None)["context_length"] is None
    assert "max_model_len" not in card(entry_for("tiny"), OPENAI, None)
