"""What a version needs of the place where it runs."""

import pytest

from registry.domain.environment import (
    Fit,
    compatibility,
    require_fit,
    requirements_text,
)
from registry.domain.errors import Conflict

RECORDED = {
    "python": "3.11.7", "platform": "Linux", "cuda": "none", "torch": "2.13.0+cpu",
    "fastai": "2.8.12", "numpy": "2.4.6", "onnxruntime": "1.31.1", "pillow": "12.1.0",
}  # fmt: skip


def fits(source_format: str = "onnx", **here: str | None) -> dict[str, Fit]:
    installed = {n: v for n, v in (RECORDED | here).items() if v is not None}
    return {r.package: r.fit for r in compatibility(RECORDED, installed, source_format)}


def test_the_place_where_a_version_was_made_fits():
    require_fit("waste@3", RECORDED, RECORDED)
    assert set(fits("fastai").values()) == {Fit.SAME}


@pytest.mark.parametrize(
    ("package", "here", "fit"),
    [
        ("onnxruntime", "1.31.9", Fit.FITS),
        ("onnxruntime", "1.40.0", Fit.FITS),
        ("onnxruntime", "1.30.2", Fit.WRONG),  # it may not know an operator of the graph
        ("onnxruntime", "2.0.0", Fit.WRONG),
        ("numpy", "2.0.1", Fit.FITS),
        ("numpy", "3.0.0", Fit.WRONG),
        ("pillow", "12.0.0", Fit.FITS),
        ("pillow", "11.3.0", Fit.WRONG),
        ("pillow", "12.2.0rc1", Fit.FITS),
        ("pillow", None, Fit.MISSING),
        ("torch", None, Fit.UNUSED),
        ("torch", "3.0.0", Fit.UNUSED),
    ],
)
def test_serving_needs_each_package_within_a_range(package: str, here: str | None, fit: Fit):
    assert fits(**{package: here})[package] is fit


def test_what_serves_comes_first_and_facts_are_no_packages():
    found = list(fits())
    assert found[:3] == ["numpy", "onnxruntime", "pillow"]
    assert not {"platform", "cuda"} & set(found)


@pytest.mark.parametrize(("source_format", "fit"), [("fastai", Fit.ORIGINAL), ("onnx", Fit.UNUSED)])
def test_a_pickled_original_needs_the_same_python_and_fastai(source_format: str, fit: Fit):
    rows = {r.package: r for r in compatibility(RECORDED, {"python": "3.12.1"}, source_format)}
    assert (rows["python"].fit, rows["fastai"].fit) == (fit, fit)
    assert rows["torch"].fit is Fit.UNUSED
    if source_format == "fastai":
        assert (rows["python"].needed, rows["fastai"].needed) == ("==3.11", "==2.8.12")


def test_a_version_that_does_not_fit_here_says_which_versions_would():
    here = RECORDED | {"onnxruntime": "1.20.0"}
    del here["pillow"]
    with pytest.raises(Conflict) as refused:
        require_fit("waste@3", RECORDED, here)
    assert str(refused.value) == (
        "waste@3 was proven with onnxruntime 1.31.1, pillow 12.1.0 and cannot be trusted with what"
        " is installed here (onnxruntime 1.20.0, pillow is missing): pip install"
        " 'onnxruntime>=1.31,<2' 'pillow>=12,<13', or register it again here"
    )


def test_versions_that_were_not_recorded_are_not_asked_for():
    require_fit("waste@3", {}, {})


def test_the_exact_versions_are_kept_as_a_requirements_file():
    assert requirements_text(RECORDED).splitlines() == [
        "# python 3.11.7", "# cuda none", "# platform Linux", "fastai==2.8.12", "numpy==2.4.6",
        "onnxruntime==1.31.1", "pillow==12.1.0", "torch==2.13.0+cpu",
    ]  # fmt: skip
