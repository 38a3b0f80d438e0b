"""The numbers of Qwen3-VL-8B's network, and a small one of the same form for a CPU; pure.

Sources of the numbers: `config.json` of Qwen/Qwen3-VL-8B-Thinking as published; transformers'
defaults of `Qwen3VLVisionConfig` and `Qwen3VLConfig` (the picture encoder, the ids of its tokens)
and the public model registries of torchtitan and tunix agree with it number by number. Their proof
is the sum: 8,767,123,696 parameters, as `serving/engine/shape.py` counts them.
"""

from dataclasses import dataclass
from typing import Any

VOCABULARY = 151_936
PATCH, TEMPORAL_PATCH, MERGE, CHANNELS = 16, 2, 2, 3
WEIGHT_BYTES = 2  # bfloat16
IDS = {
    "image_token_id": 151_655,
    "video_token_id": 151_656,
    "vision_start_token_id": 151_652,
    "vision_end_token_id": 151_653,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What sets one Qwen3-VL network apart from another."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    mrope_section: tuple[int, int, int]  # shares of head_dim / 2: time, height, width
    context: int
    vision_layers: int
    vision_hidden: int
    vision_intermediate: int
    vision_heads: int
    positions: int  # of the picture encoder, a square number
    deepstack: tuple[int, ...]  # encoder layers whose output the first text layers see, too


EIGHT_B = Network(
    layers=36,
    hidden=4096,
    intermediate=12_288,
    heads=32,
    kv_heads=8,
    head_dim=128,
    mrope_section=(24, 20, 20),
    context=262_144,
    vision_layers=27,
    vision_hidden=1152,
    vision_intermediate=4304,
    vision_heads=16,
    positions=2304,
    deepstack=(8, 16, 24),
)
SMALL = Network(
    layers=2,
    hidden=64,
    intermediate=128,
    heads=2,
    kv_heads=1,
    head_dim=32,
    mrope_section=(6, 5, 5),
    context=16_384,
    vision_layers=2,
    vision_hidden=64,
    vision_intermediate=128,
    vision_heads=2,
    positions=256,
    deepstack=(0,),
)


def configuration(network: Network) -> dict[str, Any]:
    """Return the content of `config.json`.

    One thing differs from what is published: no token ends an output, because random weights would
    choose one at random. `max_tokens` alone does.
    """
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "tie_word_embeddings": False,
        **IDS,
        "text_config": _text(network),
        "vision_config": _vision(network),
    }


def parameters(network: Network) -> int:
    """Count the weights of a network, as `configuration` describes it."""
    embeddings = 2 * VOCABULARY * network.hidden
    text = network.layers * _layer_parameters(network) + network.hidden
    return embeddings + text + _vision_parameters(network)


def _text(network: Network) -> dict[str, Any]:
    return {
        "model_type": "qwen3_vl_text",
        "dtype": "bfloat16",
        "vocab_size": VOCABULARY,
        "hidden_size": network.hidden,
        "intermediate_size": network.intermediate,
        "num_hidden_layers": network.layers,
        "num_attention_heads": network.heads,
        "num_key_value_heads": network.kv_heads,
        "head_dim": network.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": network.context,
        "tie_word_embeddings": False,
        "use_cache": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5_000_000.0,
            "mrope_interleaved": True,
            "mrope_section": list(network.mrope_section),
        },
    }


def _vision(network: Network) -> dict[str, Any]:
    return {
        "model_type": "qwen3_vl_vision",
        "depth": network.vision_layers,
        "hidden_size": network.vision_hidden,
        "intermediate_size": network.vision_intermediate,
        "num_heads": network.vision_heads,
        "hidden_act": "gelu_pytorch_tanh",
        "in_channels": CHANNELS,
        "initializer_range": 0.02,
        "patch_size": PATCH,
        "temporal_patch_size": TEMPORAL_PATCH,
        "spatial_merge_size": MERGE,
        "num_position_embeddings": network.positions,
        "out_hidden_size": network.hidden,
        "deepstack_visual_indexes": list(network.deepstack),
    }


def _layer_parameters(network: Network) -> int:
    queries, keys = (heads * network.head_dim for heads in (network.heads, network.kv_heads))
    attention = 2 * network.hidden * queries + 2 * network.hidden * keys
    norms = 2 * network.hidden + 2 * network.head_dim
    return attention + 3 * network.hidden * network.intermediate + norms


def _vision_parameters(network: Network) -> int:
    width, inner = network.vision_hidden, network.vision_intermediate
    patches = width * (CHANNELS * TEMPORAL_PATCH * PATCH**2 + 1)
    attention = width * (3 * width + 1) + 2 * width + width * (width + 1)
    layer = attention + inner * (width + 1) + width * (inner + 1) + 4 * width
    cell = width * MERGE**2
    merger = cell * (cell + 1) + network.hidden * (cell + 1)
    # The last merger normalises each patch, those of deepstack the whole cell.
    mergers = (merger + 2 * width) + len(network.deepstack) * (merger + 2 * cell)
    return patches + network.positions * width + network.vision_layers * layer + mergers
