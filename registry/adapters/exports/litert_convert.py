"""A program for LiteRT of one of torch.export: `python litert_convert.py MODEL.pt2 MODEL.tflite`.

Runs in the converter's own environment, where nothing else of ours can be imported.
"""

import sys
from typing import Any

import torch  # noqa: TID253 - a program of its own, which nobody imports


def main(source: str, target: str) -> None:
    """Convert; whoever asked looks at the exit status and at the last line of the errors."""
    import litert_torch

    program = torch.export.load(source)
    examples, _ = program.example_inputs
    convert: Any = litert_torch.convert
    convert(program.module(), examples).export(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
