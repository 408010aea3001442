"""Environments for tools that cannot live in ours: whole or not used."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.adapters.exports.own_environment import OwnEnvironment
from registry.domain.errors import Invalid

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that pip installs without asking any index."""
    path = tmp_path_factory.mktemp("wheels") / "oldtool-1.0-py3-none-any.whl"
    info = "oldtool-1.0.dist-info"
    files = {
        "oldtool.py": "WORD = 'converted'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: oldtool\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return path


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={digest.decode().rstrip('=')}"


def program(folder: Path, text: str) -> Path:
    path = folder / "asked.py"
    path.write_text(text)
    return path


def test_a_program_has_its_packages_and_none_of_ours(wheel: Path, tmp_path: Path):
    home = tmp_path / "environments"
    there = OwnEnvironment(home, "tool-1", [str(wheel)], "1 kB")
    assert not there.exists
    there.make()
    there.make()
    answer = tmp_path / "answer"
    there.run(
        program(tmp_path, "import sys, oldtool\nopen(sys.argv[1], 'w').write(oldtool.WORD)\n"),
        str(answer),
    )
    assert answer.read_text() == "converted"
    with pytest.raises(Invalid, match=r"asked failed .*No module named 'registry'"):
        there.run(program(tmp_path, "import registry\n"))
    assert [path.name for path in home.iterdir()] == ["tool-1"]


def test_what_cannot_be_installed_is_said_and_leaves_nothing(tmp_path: Path):
    home = tmp_path / "environments"
    there = OwnEnvironment(home, "tool-1", [str(tmp_path / "absent-1.0-py3-none-any.whl")], "1 kB")
    with pytest.raises(Invalid, match=r"needs an environment of its own in .*tool-1.*try again"):
        there.make()
    assert list(home.iterdir()) == []


def test_two_who_need_it_at_once_get_the_same(wheel: Path, tmp_path: Path):
    home = tmp_path / "environments"

    def make(_: int) -> bool:
        there = OwnEnvironment(home, "tool-1", [str(wheel)], "1 kB")
        there.make()
        return there.exists

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(make, range(2))) == [True, True]
    assert [path.name for path in home.iterdir()] == ["tool-1"]


def test_one_whose_making_was_killed_is_made_again(wheel: Path, tmp_path: Path):
    home = tmp_path / "environments"
    code = (
        "import sys; from pathlib import Path;"
        "from registry.adapters.exports.own_environment import OwnEnvironment;"
        "OwnEnvironment(Path(sys.argv[1]), 'tool-1', [sys.argv[2]], '1 kB').make()"
    )
    command = [sys.executable, "-c", code, str(home), str(wheel)]
    making = subprocess.Popen(command, start_new_session=True)
    while not list(home.glob(".tool-1.*/bin/python")) and making.poll() is None:
        time.sleep(0.01)
    os.killpg(making.pid, signal.SIGKILL)
    assert making.wait() == -signal.SIGKILL
    there = OwnEnvironment(home, "tool-1", [str(wheel)], "1 kB")
    assert not there.exists
    there.make()
    there.run(program(tmp_path, "import oldtool\n"))
    assert [path.name for path in home.iterdir()] == ["tool-1"]
