"""What all commands that run a spec say when they are stopped."""

from pathlib import Path

import pytest

from cryptodask.cli.execute import print_stopped


def test_what_was_stopped_names_the_command_that_continues_it_where_there_is_a_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (None, tmp_path, tmp_path / "nowhere"):
        print_stopped(folder)
        assert "stopped; the fits in progress were cancelled" in capsys.readouterr().err
    (tmp_path / "_plan.json").write_text("{}")
    print_stopped(tmp_path)
    said = " ".join(capsys.readouterr().err.split())
    assert said == (
        f"stopped; what was written is kept: `cryptodask resume {tmp_path}` continues it"
    )
