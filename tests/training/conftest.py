"""What the tests of the workstation's side share."""

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from training.datasets import data_root
from training.errors import DataError

JUDGE = Path(__file__).parents[2].parent / "shared" / "tools" / "evaluate.py"


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real recordings, or a loud skip."""
    try:
        return data_root()
    except DataError as error:
        warnings.warn(f"real recordings are NOT tested: {error}", stacklevel=1)
        pytest.skip(f"real recordings are absent: {error}")


@pytest.fixture(scope="session")
def judge() -> ModuleType:
    """The script that judges scores files, or a loud skip."""
    if not JUDGE.exists():
        warnings.warn(f"{JUDGE} is absent: agreement with it is NOT tested", stacklevel=1)
        pytest.skip(f"{JUDGE} is absent")
    pytest.importorskip("pandas", reason="the judge needs pandas")
    specification = importlib.util.spec_from_file_location("judge", JUDGE)
    assert specification is not None
    assert specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    return script
