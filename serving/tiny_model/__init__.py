"""A Qwen3-VL small enough for a laptop: what it learns, how it is built, trained and examined."""

# Costs nothing until transformers imports torchvision, whose missing operators it then declares.
import serving.engine.shims.sitecustomize  # noqa: F401
