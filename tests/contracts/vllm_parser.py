"""vLLM's own argument parser: what it knows, and what it makes of argument lists.

As a program it writes the list of the parser's flags, one a line.
"""

import sys
import warnings
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).parents[2]))

from deploy.vllm_upgrade import release

FLAG_LIST: Final = release.flag_list(release.pinned())


def make_parser() -> Any:
    """Return the parser of the engine's front process."""
    from serving.engine.torchvision_ops import define_missing  # noqa: PLC0415 - imports torch

    define_missing()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vLLM's own imports warn
        from vllm.entrypoints.launchers import cli_args  # noqa: PLC0415 - after the operators
        from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415

        return cli_args.make_arg_parser(FlexibleArgumentParser())


def flags(parser: Any) -> set[str]:
    """Return every long option that the parser has."""
    options = {option for action in parser._actions for option in action.option_strings}
    return {option for option in options if option.startswith("--")}


def parse(parser: Any, argv: list[str]) -> dict[str, str]:
    """Return what vLLM takes from an argument list; ends the program where it refuses it."""
    from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415 - slow
    from vllm.entrypoints.launchers import cli_args  # noqa: PLC0415

    arguments = parser.parse_args(argv)
    cli_args.validate_parsed_serve_args(arguments)
    AsyncEngineArgs.from_cli_args(arguments)
    return {name: str(value) for name, value in vars(arguments).items()}


if __name__ == "__main__":
    FLAG_LIST.write_text("".join(f"{flag}\n" for flag in sorted(flags(make_parser()))))
