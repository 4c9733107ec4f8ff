"""The page of all operations says what the declarations say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "docs" / "make_operations.py"


def test_the_page_of_operations_is_up_to_date() -> None:
    # In a process of its own: it wraps every traced function to see what it is made of.
    update = "WENGERT_UPDATE_GOLDEN" in os.environ
    command = [sys.executable, str(SCRIPT), *([] if update else ["--check"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
