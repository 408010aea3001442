"""The original's own answers: `python -m registry.adapters.fastai_reference` runs real fastai.

This does unpickle, so it happens only when the user trusts the file and every global in it is
known, or the user lets it run code of its own, and in a process that is locked in like the
converter. The lock is the barrier: names that are known can still be put to bad use. Numbers leave
it as plain bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.fastai_loading import import_all, opened
from registry.adapters.jail import Limits, Lock, insist, insist_whole, lock_down, why_no_filter
from registry.adapters.landlock import confine
from registry.adapters.subprocesses import Answer, reply
from registry.domain.several import together


def answer(question: Mapping[str, Any]) -> Answer:
    """get_preds on all inputs, predict on the first few."""
    path, images = Path(question["path"]), [Path(image) for image in question["images"]]
    unjailed: bool = question["allow_unjailed"]
    if why := why_no_filter():  # said now, not after seconds of imports
        insist(Lock(limits=False, filter=False, sentence=why), unjailed=unjailed)
    files = confine([path, *images, Path.cwd()])
    load_learner = import_all()
    lock = replace(lock_down(Limits()), files=files)
    (insist_whole if question["run_code"] else insist)(lock, unjailed=unjailed)
    learner = opened(load_learner, path)
    labels = [str(label) for label in learner.dls.vocab]
    inputs, rest = _inputs(learner, images)
    with learner.no_bar(), learner.no_logging():
        loader = learner.dls.test_dl(inputs, bs=16, num_workers=0)
        batch = learner.get_preds(dl=loader)[0].numpy()
        singles = [learner.predict(one) for one in rest[: question["single"]]]
    single = np.stack([found[2].numpy() for found in singles])
    document = {
        "labels": labels,
        "single_labels": [_label(labels, found[1].tolist()) for found in singles],
        "jail": asdict(lock),
    }
    return Answer(document, {"batch": _bytes(batch), "single": _bytes(single)})


def _label(labels: Sequence[str], found: int | list[bool]) -> str:
    """The label that predict gives, or those of several that apply."""
    if isinstance(found, int):
        return labels[found]
    return together(label for label, applies in zip(labels, found, strict=True) if applies)


def _inputs(learner: Any, paths: Sequence[Path]) -> tuple[Any, Sequence[Any]]:
    """All inputs as get_preds takes them, and one by one as predict does."""
    if not hasattr(learner.dls, "cont_names"):
        return list(paths), list(paths)
    import pandas as pd

    table = pd.DataFrame([json.loads(path.read_bytes()) for path in paths])
    for name in set(learner.dls.cont_names) & set(table.columns):
        table[name] = table[name].astype(float)  # a column of nothing but null has no type
    return table, [table.iloc[i] for i in range(len(table))]


def _bytes(numbers: Any) -> bytes:
    return np.ascontiguousarray(numbers, dtype="<f4").tobytes()


if __name__ == "__main__":
    reply(answer)
