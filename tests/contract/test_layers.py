"""The direction of imports, as pyproject.toml draws it; and that a wrong import is seen."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.tools import tool

ROOT = Path(__file__).parents[2]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("lint-imports"), "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": f"{root / 'service'}:{root / 'clients/python'}", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_imports_point_inward() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_core_that_imports_grpc_is_seen(tmp_path: Path) -> None:
    for name in ("service", "clients/python/conferencing"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", ROOT / name, tmp_path / name], check=True)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    model = tmp_path / "service/conferencing_service/core/model.py"
    model.write_text(model.read_text().replace("import enum", "import enum\nimport grpc", 1))
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert "core imports no wire" in result.stdout + result.stderr
