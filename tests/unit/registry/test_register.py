"""The use case of registering, on fakes."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.adapters.bundle import BundleFolders, open_bundle
from registry.adapters.samples import AnySamples
from registry.adapters.scratch_folders import scratch_folder
from registry.documents.model_input import ModelInput
from registry.documents.preprocessing import Preprocessing, Resize
from registry.domain.errors import Conflict, Invalid
from registry.domain.formats import Format
from registry.domain.observations import FeatureBlock, Observations
from registry.domain.versions import ModelVersion
from registry.registration import (
    Converted,
    Declared,
    LabelledImage,
    Lineage,
    Note,
    Numbered,
    OriginalAnswers,
    Samples,
    StoredVersion,
    Taken,
)
from registry.services.compare import compare
from registry.services.make_bundle import Tools
from registry.services.prove import files_of, spread
from registry.services.register import Registered, register
from registry.services.registration_request import Registration
from registry.services.verify import verify

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
LABELS = ("glass", "paper")
CONVERTED = Converted(
    labels=LABELS,
    preprocessing=Preprocessing(mode="RGB", steps=(Resize(width=4, height=4),)),
    activation="softmax",
    blocks=(FeatureBlock("penultimate", 3),),
    batches={"1": 0.0, "5": 1e-7},
    python="3.11",
    globals={"unknown": []},
    jail={"filter": True},
    graph=b"graph",
)
DECLARED = Declared(ModelInput(steps=(Resize(width=4, height=4),)), LABELS)


def probabilities(data: bytes) -> list[float]:
    share = (sum(data) % 100) / 100
    return [share, 1 - share]


@dataclass
class FakeRuntime:
    """Answers by the bytes of a picture; `batch_error` is added to answers in batches."""

    batch_error: float = 0.0

    def open(self, preprocessing: Preprocessing, graph: Path) -> "FakeRuntime":
        assert graph.read_bytes() == b"graph"
        return self

    def probabilities(self, pictures: Sequence[bytes], batch: int) -> Any:
        error = self.batch_error if batch > 1 else 0.0
        return np.array([probabilities(p) for p in pictures], dtype=np.float32) + np.float32(error)

    def observe(
        self, images: Sequence[LabelledImage], batch: int, note: Note | None = None
    ) -> Iterator[Observations]:
        for at in range(0, len(images), batch):
            part = images[at : at + batch]
            read = [image.read() for image in part]
            if note is not None:
                for image, data in zip(part, read, strict=True):
                    note(image, data)
            rows = self.probabilities(read, batch)
            n = len(part)
            yield Observations(
                np.zeros((n, 3, 4, 4), np.uint8), rows, rows, np.zeros((n, 3), np.float32),
                np.array([i.label for i in part]),
            )  # fmt: skip


@dataclass
class FakeOriginal:
    """Answers `error` beside what is right, and in a batch `rounding` beside what it says alone."""

    error: float = 0.0
    rounding: float = 0.0
    labels: tuple[str, ...] = LABELS
    asked: list[Path] = field(default_factory=list)
    opened: bytes = b""

    def answers(
        self, export: Path, images: Sequence[Path], single: int, python: str | None
    ) -> OriginalAnswers:
        self.asked = list(images)
        rows = np.array([probabilities(p.read_bytes()) for p in images], dtype=np.float32)
        names = tuple(LABELS[int(row.argmax())] for row in rows[:single])
        self.opened = export.read_bytes()
        said, jail = rows + np.float32(self.error), {"filter": True, "sentence": "locked"}
        batch = said + np.float32(self.rounding)
        return OriginalAnswers(self.labels, batch, said[:single], names, jail)


class FakeIntake:
    def take(self, source: Path, folder: Path) -> Taken:
        copy = folder / "copy"
        copy.write_bytes(source.read_bytes())
        return Taken(copy, source.name, "0" * 64, 6)


@dataclass
class FakeConverter:
    """`swap`: somebody replaces that file while it is being converted."""

    swap: Path | None = None

    def convert(self, path: Path) -> Converted:
        if self.swap is not None:
            self.swap.write_bytes(b"malice")
        return CONVERTED


class FakeAlternatives:
    """Says that the declaration is right, or that another one is."""

    wrong = False
    scale = 1.0

    def normalised(
        self, declared: ModelInput, images: Sequence[LabelledImage]
    ) -> tuple[Sequence[float], Sequence[float]]:
        return (self.scale - 1,) * 3, (self.scale,) * 3

    def labels(
        self, graph: bytes, declared: ModelInput, images: Sequence[LabelledImage]
    ) -> Mapping[str, Any]:
        truth = np.array([image.label for image in images])
        return {"what it says": 1 - truth if self.wrong else truth, "`order: BGR`": truth}


class FakeFitter:
    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = {}

    def fit(self, labels: Any, blocks: Any, training: Any, calibration: Any) -> Mapping[str, bytes]:
        self.seen["training"] = [int(label) for batch in training for label in batch.labels]
        files = {"profile.json": b"{}"}
        if calibration is not None:
            self.seen["calibration"] = [int(x) for batch in calibration for x in batch.labels]
            files["scorer.npz"] = b"scorer"
        return files


class FakeStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions: dict[int, Path] = {}
        self.tags: Mapping[str, str] = {}
        self.orphans: list[Numbered] = []

    def create_version(self, model: str, bundle: Path, *_: Any, **given: Any) -> StoredVersion:
        number = len(self.versions) + 1
        kept = self.folder / str(number)
        bundle.rename(kept)
        self.versions[number] = kept
        self.tags = given["tags"]
        self.lineage: Lineage = given["lineage"]
        return StoredVersion(number, "run", kept.as_uri())

    def numbered(self, model: str | None = None) -> Sequence[Numbered]:
        return [one for one in self.orphans if model in {None, one.model}]

    def discard(self, model: str, version: int, run_id: str) -> None:
        self.orphans = [o for o in self.orphans if (o.model, o.version) != (model, version)]
        self.versions.pop(version, None)

    def fetch(self, version: ModelVersion) -> Path:
        return self.versions[version.version]


class FakeUnit:
    """Collects what a transaction writes; only a commit makes it visible in `world`."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.versions = self.audit = self.outbox = self
        self.written: list[Any] = []

    def add(self, *given: Any) -> None:
        if self.world.refuse and isinstance(given[0], ModelVersion):
            raise Conflict("taken")
        self.written.append(given)

    def list(self, model: str | None = None) -> tuple[ModelVersion, ...]:
        versions = [given[0] for given in self.world.committed]
        return tuple(v for v in versions if isinstance(v, ModelVersion))

    def numbers(self, model: str | None = None) -> set[tuple[str, int]]:
        return {(v.model, v.version) for v in self.list(model)}

    def append(self, now: datetime, *given: Any, **more: Any) -> None:
        self.written.append((*given, more))


class World:
    def __init__(self, folder: Path) -> None:
        self.refuse = False
        self.lose_news = False
        self.converter = FakeConverter()
        self.committed: list[Any] = []
        self.store = FakeStore(folder)
        self.original = FakeOriginal()
        self.runtime = FakeRuntime()
        self.samples: Samples = AnySamples()
        self.fitter = FakeFitter()
        self.alternatives = FakeAlternatives()
        self.steps: list[tuple[str, int, int]] = []
        self.training = self._photographs(folder / "training", 50)
        self.calibration = self._photographs(folder / "calibration", 7)
        self.export = folder / "export.pkl"
        self.export.write_bytes(b"export")
        self.workshop = folder / "workshop"

    @staticmethod
    def _photographs(folder: Path, each: int) -> Path:
        for label in LABELS:
            (folder / label).mkdir(parents=True)
            for i in range(each):
                (folder / label / f"{i:03}.jpg").write_bytes(f"{label}{i}".encode())
        return folder

    @property
    def tools(self) -> Tools:
        return Tools(
            intake=FakeIntake(), converter=self.converter, original=self.original,
            samples=self.samples, home="here",
            runtime=self.runtime, alternatives=self.alternatives, fitter=self.fitter,
            bundles=BundleFolders(), store=self.store,
            environment={"python": "3.11.7", "numpy": "2.4.6"},
            pictures=lambda _: {"a.png": b"picture"},
            workshop=lambda: scratch_folder(self.workshop, "registering-"),
            progress=lambda *step: self.steps.append(step),
        )  # fmt: skip

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        unit = FakeUnit(self)
        yield unit
        self.committed.extend(unit.written)
        if self.lose_news and unit.written:
            raise ConnectionError("the connection was lost")

    def register(self, **changes: Any) -> Registered:
        request = Registration(
            model="waste", path=self.export, actor="ada", training_data=self.training,
            trust_pickle=True,
        )  # fmt: skip
        return register(replace(request, **changes), self.tools, self.transaction, NOW)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_version_its_audit_event_and_its_tag_are_recorded_together(world: World):
    registered = world.register(tags={"team": "sorting"})
    (version,), audit, outbox = world.committed
    assert version == registered.version
    assert (version.model, version.version, version.author) == ("waste", 1, "ada")
    assert audit[:4] == ("ada", "registered", "waste", 1)
    assert audit[4]["detail"]["digest"] == version.digest
    assert outbox[:2] == (
        "mlflow.stage", {"model": "waste", "version": 1, "stage": "registered"},
    )  # fmt: skip


def test_the_bundle_holds_graph_documents_proof_and_profile(world: World):
    version = world.register(calibration_data=world.calibration).version
    bundle = open_bundle(world.store.versions[1])
    assert bundle.digest == version.digest == world.store.tags["stagegate.digest"]
    assert set(bundle.manifest.files) == {
        "model.onnx", "preprocessing.json", "proof.json", "profile.json", "requirements.txt",
        "scorer.npz",
    }  # fmt: skip
    assert bundle.manifest.environment["exported_with_python"] == "3.11"
    assert bundle.manifest.created_at == NOW
    assert bundle.manifest.jail["conversion"]["filter"]
    assert bundle.manifest.jail["original"]["filter"]


def test_the_fitter_sees_every_image_once_with_its_label(world: World):
    world.register(calibration_data=world.calibration)
    assert world.fitter.seen["training"] == [0] * 50 + [1] * 50
    assert world.fitter.seen["calibration"] == [0] * 7 + [1] * 7


def test_the_original_is_asked_about_64_photographs_of_all_labels_and_the_kept_pictures(
    world: World,
):
    world.register()
    *photographs, picture = world.original.asked
    assert len(photographs) == 64
    assert {p.parent.name for p in photographs} == set(LABELS)
    assert picture.name == "a.png"


def test_the_store_is_told_which_data_were_used_and_an_input_that_is_nobodys(world: World):
    world.register(calibration_data=world.calibration)
    training, calibration = world.store.lineage.data
    assert (training.role, training.source, training.inputs) == ("training", world.training, 100)
    assert (calibration.role, calibration.inputs) == ("calibration", 14)
    assert training.digest != calibration.digest
    assert world.store.lineage.example == b"picture"


def test_data_have_another_digest_once_an_input_or_its_label_is_another(world: World):
    def digest() -> str:
        world.register()
        return world.store.lineage.data[0].digest

    first = digest()
    assert digest() == first
    image = world.training / LABELS[0] / "007.jpg"
    kept = image.read_bytes()
    image.write_bytes(kept + b"!")
    changed = digest()
    image.write_bytes(kept)
    assert digest() == first
    image.rename(world.training / LABELS[1] / "007a.jpg")
    assert len({first, changed, digest()}) == 3


@dataclass(frozen=True)
class CountedImage(LabelledImage):
    readings: Counter[Path]

    def read(self) -> bytes:
        self.readings[self.path] += 1
        return self.path.read_bytes()


class CountedSamples:
    """Counts how often each image is read as a sample."""

    def __init__(self) -> None:
        self.readings: Counter[Path] = Counter()

    def read(self, source: Path, labels: Sequence[str], preprocessing: Any) -> list[LabelledImage]:
        samples = AnySamples().read(source, labels, preprocessing)
        return [CountedImage(one.file(source), one.label, self.readings) for one in samples]


def test_data_are_named_by_all_their_inputs_and_read_no_second_time_for_that(world: World):
    world.samples = counted = CountedSamples()
    world.register(calibration_data=world.calibration)
    assert len(counted.readings) == 114
    assert set(counted.readings.values()) == {1}
    whole = hashlib.sha256()
    for number, label in enumerate(LABELS):
        for path in sorted((world.calibration / label).iterdir()):
            whole.update(hashlib.sha256(path.read_bytes()).digest() + f"{number};".encode())
    assert world.store.lineage.data[1].digest == whole.hexdigest()


def test_progress_of_each_step_ends_at_its_end(world: World):
    world.register(calibration_data=world.calibration)
    last = {step: (done, total) for step, done, total in world.steps}
    assert last["profiling training data"] == (100, 100)
    assert last["calibrating on held-out data"] == (14, 14)
    assert all(done == total for done, total in last.values())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: setattr(w.original, "error", 2e-5), "get_preds"),
        (lambda w: setattr(w.original, "rounding", 2e-4), "get_preds"),
        (lambda w: setattr(w.runtime, "batch_error", 2e-5), "alone and in a batch"),
        (lambda w: setattr(w.original, "labels", ("paper", "glass")), "labels"),
    ],
)
def test_an_answer_that_differs_registers_nothing(
    spoil: Callable[[World], None], message: str, world: World
):
    spoil(world)
    with pytest.raises(Invalid, match=message):
        world.register()
    assert world.committed == []
    assert world.store.versions == {}
    assert list(world.workshop.iterdir()) == []


def test_an_original_that_rounds_more_may_be_missed_by_as_much(world: World):
    world.original.rounding = 2e-5
    assert world.register().parity.max_abs_diff == pytest.approx(2e-5, rel=0.1)


def test_a_failing_transaction_takes_the_stored_version_back(world: World):
    world.refuse = True
    with pytest.raises(Conflict):
        world.register()
    assert world.committed == []
    assert world.store.versions == {}


def test_a_commit_whose_news_is_lost_keeps_the_version(world: World):
    world.lose_news = True
    registered = world.register()
    assert world.committed[0] == (registered.version,)
    assert list(world.store.versions) == [1]


def an_orphan(version: int, home: str = "here", age: timedelta = timedelta(hours=1)) -> Numbered:
    return Numbered("waste", version, f"run-{version}", home, NOW - age)


def test_what_a_killed_registration_left_behind_is_taken_back_by_the_next(world: World):
    young = an_orphan(7, age=timedelta(minutes=1))  # may be about to be recorded
    foreign = an_orphan(8, home="elsewhere")  # another database knows it
    world.store.orphans = [an_orphan(6), young, foreign]
    world.register()
    assert world.store.orphans == [young, foreign]


def test_a_version_that_is_recorded_is_never_swept(world: World):
    recorded = world.register().version
    world.store.orphans = [an_orphan(recorded.version)]
    world.register()
    assert world.store.orphans == [an_orphan(recorded.version)]


def test_a_file_that_is_swapped_while_it_is_read_is_not_what_the_original_opens(world: World):
    world.converter = FakeConverter(swap=world.export)
    world.register()
    assert world.export.read_bytes() == b"malice"
    assert world.original.opened == b"export"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trust_pickle": False}, "--trust-pickle"),
        ({"path": Path("no-such-file.pkl")}, "there is no file"),
        ({"model": "../waste"}, "a model's name"),
        ({"training_data": Path("no-such-folder")}, "is no folder"),
    ],
)
def test_a_wrong_request_says_what_to_do(changes: dict[str, Any], message: str, world: World):
    with pytest.raises(Invalid, match=message):
        world.register(**changes)
    assert world.committed == []


def test_a_file_that_does_not_describe_itself_needs_a_description(world: World):
    with pytest.raises(Invalid, match="--preprocessing FILE and --labels FILE"):
        world.register(kind=Format.ONNX)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Format.FASTAI, "loaded once by fastai, in a locked process"),
        (Format.STATE_DICT, "weights_only=True.*or save the weights as .safetensors"),
    ],
)
def test_a_refused_pickle_hears_what_would_be_trusted(kind: Format, message: str, world: World):
    declared = None if kind is Format.FASTAI else replace(DECLARED, factory="nets:make")
    with pytest.raises(Invalid, match=message):
        world.register(kind=kind, declared=declared, trust_pickle=False)


def test_weights_need_a_factory(world: World):
    with pytest.raises(Invalid, match="--factory module:function"):
        world.register(kind=Format.STATE_DICT, declared=DECLARED)


def test_the_proof_names_what_was_compared(world: World):
    def names(version: ModelVersion) -> list[str]:
        return [check["name"] for check in (version.parity or {})["checks"][:3]]

    of_fastai = ["learn.get_preds", "learn.predict", "labels of learn.predict"]
    assert names(world.register().version) == of_fastai
    assert names(world.register(kind=Format.ONNX, declared=DECLARED).version) == [
        "the original in batches", "the original one by one", "labels of the original one by one",
    ]  # fmt: skip


def test_what_was_declared_is_kept_in_the_bundle(world: World):
    found = world.register(kind=Format.ONNX, declared=DECLARED, trust_pickle=False)
    assert found.version.source_format == "onnx"
    kept = open_bundle(world.store.fetch(found.version))
    assert kept.read("input.json") == DECLARED.input.document()
    assert kept.manifest.source.format == "onnx"


def test_a_declaration_that_training_images_speak_against_is_refused(world: World):
    for i in range(20):
        (world.training / "glass" / f"more{i}.jpg").write_bytes(bytes([i]))
    world.alternatives.wrong = True
    with pytest.raises(Invalid, match="say `order: BGR`"):
        world.register(kind=Format.ONNX, declared=DECLARED)
    assert world.store.versions == {}


def test_a_normalisation_that_does_not_fit_the_training_images_is_refused(world: World):
    said = DECLARED.input.model_copy(update={"mean": (0.5, 0.5, 0.5)})
    world.alternatives.scale = 500.0
    with pytest.raises(Invalid, match="near 0 ± 1"):
        world.register(kind=Format.ONNX, declared=replace(DECLARED, input=said))
    assert world.store.versions == {}


def test_labels_that_the_model_does_not_know_are_named(world: World):
    (world.training / "metal").mkdir()
    (world.training / "metal" / "can.jpg").write_bytes(b"can")
    with pytest.raises(Invalid, match=r"metal \(1 images\); it knows glass, paper"):
        world.register()


def test_an_empty_training_folder_says_how_to_lay_one_out(world: World, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Invalid, match=r"empty/glass/photo\.jpg"):
        world.register(training_data=tmp_path / "empty")


def test_few_images_are_all_asked_about():
    images = [LabelledImage(Path(str(i)), 0) for i in range(5)]
    assert spread(images, 64) == tuple(images)
    assert files_of(spread(images, 3), Path()) == (Path("0"), Path("2"), Path("4"))


def test_a_version_is_verified_by_its_own_pictures(world: World):
    version = world.register().version
    here = {"python": "3.12.0", "numpy": "2.5.0"}
    found = verify(version, world.store, BundleFolders(), world.runtime, here)
    assert found.parity.passed
    assert {r.package: r.fit.value for r in found.compatibility} == {
        "numpy": "fits", "python": "matters only for opening the original again",
    }  # fmt: skip
    with pytest.raises(Conflict, match="numpy>=2,<3"):
        verify(version, world.store, BundleFolders(), world.runtime, {"numpy": "3.0.0"})


def test_a_replaced_manifest_and_other_answers_fail_verification(world: World):
    version = world.register().version
    with pytest.raises(Conflict, match="its manifest was replaced"):
        verify(replace(version, digest="sha256:0"), world.store, BundleFolders(), world.runtime, {})
    with pytest.raises(Invalid, match="does not answer here"):
        verify(version, world.store, BundleFolders(), FakeShifted(), {"numpy": "2.4.6"})


class FakeShifted(FakeRuntime):
    def probabilities(self, pictures: Sequence[bytes], batch: int) -> Any:
        return super().probabilities(pictures, batch) + np.float32(0.1)


def test_two_versions_differ_in_what_was_changed_and_not_in_when(world: World):
    first = world.register().version
    same = world.register(description="again").version
    assert compare(first, same, world.store, BundleFolders()) == ()
    other = world.register(kind=Format.ONNX, declared=DECLARED).version
    found = {
        d.place: (d.first, d.second) for d in compare(first, other, world.store, BundleFolders())
    }
    assert found["source.format"] == ("fastai", "onnx")
    assert found["files.input.json"][0] is None
