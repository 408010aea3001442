"""What the converter says of files that were saved wrong: `python model_mistakes.py WORLD`."""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np


def main(world: Path) -> None:
    warnings.simplefilter("ignore")
    from registry.adapters.convert import import_for
    from registry.adapters.declared_input import as_taken
    from registry.adapters.intake import FileIntake
    from registry.adapters.model_sources import check_behaviour, open_source
    from registry.adapters.recognise import recognise
    from registry.documents.model_input import read_model_input
    from registry.domain.errors import Invalid
    from registry.domain.formats import Format

    import_for(Format.TORCHSCRIPT)
    declared = read_model_input(world / "input.yaml")
    example = as_taken(np.zeros((2, *declared.preprocessing.shape), np.uint8), declared)

    def tried(name: str, factory: str | None, *, deeper: bool = False) -> str:
        folder = world / "tried"
        folder.mkdir()
        code = world / "code" if factory else None
        taken = FileIntake(code).take(world / name, folder)
        try:
            source = open_source(recognise(world / name), taken.path, factory, example, 2)
            check_behaviour(source, example)
            if deeper:
                source.graph()
        except Invalid as refusal:
            return str(refusal)
        finally:
            shutil.rmtree(folder)
        return "fine"

    plain = ("traced.pt", "training.pt", "training.pt2", "one.pt2", "branching.pt")
    said = {name: tried(name, None) for name in plain}
    said |= {
        name: tried(name, "nets.colours:make")
        for name in ("weights.pt", "whole.pt", "short.pt", "nan.pt")
    }
    said["weights.pt branching"] = tried("weights.pt", "nets.colours:picky", deeper=True)
    said["mute.pt"] = tried("mute.pt", None)
    said["narrow.pt"] = tried("narrow.pt", None)
    for maker in ("nothing", "absent"):
        said[f"weights.pt {maker}"] = tried("weights.pt", f"nets.colours:{maker}")
    print(json.dumps(said))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
