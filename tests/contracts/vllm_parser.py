"""Program: parses argument lists, given as JSON, with vLLM's own parser and writes what it took.

With --list FILE it writes the parser's flags, one a line, instead.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from serving.engine.torchvision_ops import define_missing


def main() -> None:
    """Read from standard input, write to the file named first."""
    define_missing()
    from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415 - after the operators
    from vllm.entrypoints.launchers import cli_args  # noqa: PLC0415
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415

    parser = cli_args.make_arg_parser(FlexibleArgumentParser())
    flags = {flag for action in parser._actions for flag in action.option_strings}
    if sys.argv[1] == "--list":
        Path(sys.argv[2]).write_text("".join(f"{flag}\n" for flag in sorted(flags)))
        return
    taken = []
    for argv in json.load(sys.stdin):
        arguments = parser.parse_args(argv)
        cli_args.validate_parsed_serve_args(arguments)
        AsyncEngineArgs.from_cli_args(arguments)
        taken.append({name: str(value) for name, value in vars(arguments).items()})
    Path(sys.argv[1]).write_text(json.dumps({"flags": sorted(flags), "taken": taken}))


if __name__ == "__main__":
    main()
