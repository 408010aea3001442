"""Watching a process from within: what it unpickles, and which libraries of training it imports.

`python forbidden.py LOG WORDS...` is the command line with a watch that it cannot take off: Python
tells audit hooks of every class or function that a pickle looks up, whoever reads the pickle.
"""

import sys
from pathlib import Path

LIBRARIES = frozenset({"torch", "torchvision", "fastai", "timm", "onnx", "fastcore"})


def watch(log: Path) -> None:
    """Write down from now on whatever a server must not do."""
    lines = log.open("a", buffering=1)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "pickle.find_class":
            lines.write(f"unpickled {arguments[0]}.{arguments[1]}\n")
        if event == "import" and str(arguments[0]).partition(".")[0] in LIBRARIES:
            lines.write(f"imported {arguments[0]}\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    from console.cli.main import main

    main()
