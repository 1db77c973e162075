"""Each kind of run and each thing that can go wrong: it is reported, and the exit code is right.

======================  ========  ========  ====
what goes wrong         forecast  backtest  tune
======================  ========  ========  ====
row that can't be read  3         3         3
coin that hangs         3         3         3
coin that kills         3         3         3
kill -9, then resume    0         0         0
torn file, then resume  0         0         0
torn file, then read    error     error     error
1 or 2 workers          0         0         0
wrong plan              2         2         2
wrong manifest          2         2         2
======================  ========  ========  ====

What a command must report is on stderr; where runs end with 0, their rows are those of a run that
nothing happened to, bit by bit.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from cryptodask.errors import CryptoDaskError
from tests.conftest import Cluster, write_folder
from tests.runs.commands import (
    DAMAGES,
    KINDS,
    Ended,
    Kind,
    assert_same_table,
    begun_files,
    bytes_in,
    copied,
    data_files,
    emptied,
    finish,
    inside,
    kill_when,
    run,
    start,
    table_of,
)
from tests.runs.plans import CONTENTS, manifest_changes, plan_changes, tasks_key

PLAN, MANIFEST = "_plan.json", "_manifest.json"

MODELS = 4
"""That each kind runs; each of them has one data file, since ten coins are too few for more."""

TIMEOUT = 3
"""Seconds, of a run with a coin that hangs."""


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of run."""
    each: Kind = request.param
    return each


@pytest.fixture(scope="module")
def undisturbed(
    kind: Kind, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[Path, Ended]]:
    """By the number of workers, the folder of a run and how it ended."""
    folder = tmp_path_factory.mktemp(f"{kind.name}-undisturbed")
    started = {
        workers: (place, start(*kind.words, source, "--workers", workers, "--out", place))
        for workers, place in ((1, folder / "1"), (2, folder / "2"))
    }
    return {workers: (place, finish(process)) for workers, (place, process) in started.items()}


@pytest.fixture(scope="module")
def complete(undisturbed: dict[int, tuple[Path, Ended]]) -> Path:
    """The folder of a run that ended well."""
    folder, ended = undisturbed[1]
    assert ended.code == 0, ended.said
    assert (folder / MANIFEST).exists()
    assert len(data_files(folder)) == MODELS
    return folder


@pytest.fixture(scope="module")
def stopped(
    kind: Kind, complete: Path, source: Path, hurting: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """The folder of a run as kill -9 left it: some files are done, and some are not."""
    out = tmp_path_factory.mktemp(f"{kind.name}-stopped") / "out"
    process = start(*kind.words, source, "--scheduler", hurting.address, "--out", out)
    kill_when(process, out, 2)
    # At once, since workers write to the other what they have begun.
    folder = copied(out, out.with_name("as-it-was"))
    assert (folder / PLAN).exists()
    assert not (folder / MANIFEST).exists()
    assert 2 <= len(begun_files(folder)) < MODELS
    return folder


@pytest.fixture(scope="module")
def hurt(
    kind: Kind, prices: pd.DataFrame, hurting: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Ended]:
    """The folder of a run of three coins, and how it ended: one kills workers, one hangs."""
    place = tmp_path_factory.mktemp(f"{kind.name}-hurt")
    names = dict(zip(prices["coin"].unique(), ("Crashtoy", "Finetoy", "Hangtoy"), strict=False))
    few = prices[prices["coin"].isin(names)].replace({"coin": names})
    source, out = write_folder(place / "prices", few), place / "out"
    where = ("--scheduler", hurting.address, "--timeout", TIMEOUT, "--out", out)
    return out, run(*kind.hurt, source, *where)


def test_all_kinds_take_the_same_options(
    kind: Kind, source: Path, cluster: Cluster, tmp_path: Path
) -> None:
    coins = sorted(path.stem for path in source.iterdir())[:2]
    ended = inside(
        *kind.words, source, "--scheduler", cluster.address, "--out", tmp_path / "out",
        *(["--intervals"] if kind.name == "forecast" else []), "--overwrite", "--window", 60,
        "--refit", 2, "--seed", 3, "--timeout", 60,
        "--partitions", 2, "--coins", ",".join(coins), "--to", "2026-06-20", "--gaps", "leave",
        "--profile",
    )  # fmt: skip
    assert ended.code == 0, ended.said
    assert "where the time went" in ended.out
    assert sorted(table_of(tmp_path / "out")["coin"].unique()) == coins


def test_a_row_that_can_not_be_read(
    kind: Kind, prices: pd.DataFrame, cluster: Cluster, tmp_path: Path
) -> None:
    file = sorted(write_folder(tmp_path / "prices", prices).iterdir())[3]
    rows = file.read_text().splitlines()
    cells = rows[4].split(",")
    cells[rows[0].split(",").index("close")] = "abc"
    file.write_text("\n".join([*rows[:4], ",".join(cells), *rows[5:]]) + "\n")
    ended = inside(*kind.words, file.parent, "--scheduler", cluster.address)
    assert ended.line_with(file.name, "line 5", "abc"), ended.said
    assert ended.code == 3, ended.said


@pytest.mark.slow
class TestHurtfulCoins:
    """One run has a coin that kills its worker, and one that hangs on it."""

    def test_a_coin_that_hangs(self, hurt: tuple[Path, Ended]) -> None:
        _, ended = hurt
        assert ended.line_with("failed", "Hangtoy", f"{TIMEOUT} seconds"), ended.said
        assert ended.code == 3, ended.said

    def test_a_coin_that_kills_workers(self, hurt: tuple[Path, Ended]) -> None:
        _, ended = hurt
        assert ended.line_with("failed", "Crashtoy", "worker", "died"), ended.said
        assert ended.code == 3, ended.said

    def test_the_others_are_done(self, hurt: tuple[Path, Ended]) -> None:
        out, ended = hurt
        by_model = table_of(out).groupby("model")["coin"].unique().map(sorted)
        everyone = ["Crashtoy", "Finetoy", "Hangtoy"]
        guilty = [model for model in by_model.index if by_model[model] == ["Finetoy"]]
        assert len(guilty) == 1, by_model
        assert all(by_model[m] == everyone for m in by_model.index if m not in guilty), by_model
        assert len(by_model) >= 2
        assert not ended.line_with("failed", "Finetoy"), ended.said


def test_kill_9_then_resume(
    kind: Kind, stopped: Path, complete: Path, undisturbed: dict[int, tuple[Path, Ended]],
    cluster: Cluster, tmp_path: Path,
) -> None:  # fmt: skip
    out = copied(stopped, tmp_path / "out")
    kept = {json.loads(path.read_text())["began"] for path in out.glob("_[dp]*-*.json")}
    with pytest.raises(CryptoDaskError, match=re.escape(str(out))):
        kind.open(out)
    ended = run("resume", out, "--scheduler", cluster.address)
    assert ended.code == 0, ended.said
    assert_same_table(out, complete)
    assert len(kind.open(out)) > 0
    # What was done is not done again; of a file that was written last, nobody may know yet.
    assert kept & set(pd.read_parquet(out / "_tasks.parquet")["began"])
    if kind.name != "forecast":  # whose result is its table
        assert ended.result == undisturbed[1][1].result
    before = bytes_in(out)
    again = inside("resume", out, "--scheduler", cluster.address)
    assert again.code == 0, again.said
    assert bytes_in(out) == before


def test_workers(kind: Kind, undisturbed: dict[int, tuple[Path, Ended]]) -> None:
    for _, ended in undisturbed.values():
        assert ended.code == 0, ended.said
        assert not ended.line_with("failed"), ended.said
    (first, by_one), (second, by_two) = undisturbed[1], undisturbed[2]
    assert_same_table(first, second)
    assert len(table_of(first)) == MODELS * 10 * 3 * (1 if kind.name == "forecast" else 6)
    if kind.name != "forecast":  # which prints seconds of each model, too
        assert by_one.result == by_two.result


class TestTornFiles:
    """Files that are in a folder, but not as they were written."""

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_of_a_run_that_ended_are_not_read(
        self, kind: Kind, complete: Path, tmp_path: Path, damage: str
    ) -> None:
        out = copied(complete, tmp_path / "out")
        assert len(kind.open(out)) == len(table_of(out))
        for path in data_files(out):
            content = path.read_bytes()
            DAMAGES[damage](path)
            with pytest.raises(CryptoDaskError, match=re.escape(path.name)):
                kind.open(out)
            path.write_bytes(content)

    def test_of_a_run_that_ended_are_made_again(
        self, kind: Kind, complete: Path, cluster: Cluster, tmp_path: Path
    ) -> None:
        out = copied(complete, tmp_path / "out")
        for path, damage in zip(data_files(out), DAMAGES.values(), strict=True):
            damage(path)
        self._resume(kind, out, complete, cluster)

    def test_of_the_last_model_alone_is_made_again(
        self, kind: Kind, complete: Path, cluster: Cluster, tmp_path: Path
    ) -> None:
        out = copied(complete, tmp_path / "out")
        emptied(data_files(out)[-1])
        self._resume(kind, out, complete, cluster)

    @pytest.mark.parametrize("damages", [("emptied", "halved"), ("zeroed", "flipped")], ids=str)
    def test_of_a_run_that_was_stopped_are_made_again(
        self, kind: Kind, stopped: Path, complete: Path, cluster: Cluster, tmp_path: Path,
        damages: tuple[str, str],
    ) -> None:  # fmt: skip
        out = copied(stopped, tmp_path / "out")
        for path, damage in zip(begun_files(out), damages, strict=False):
            DAMAGES[damage](path)
        self._resume(kind, out, complete, cluster)

    def test_beside_the_table_are_made_again(
        self, kind: Kind, stopped: Path, complete: Path, cluster: Cluster, tmp_path: Path
    ) -> None:
        out = copied(stopped, tmp_path / "out")
        beside = [path for path in out.glob("_*") if path.name not in (PLAN, "_lock")]
        assert beside
        for path in beside:
            emptied(path)
        self._resume(kind, out, complete, cluster)

    @staticmethod
    def _resume(kind: Kind, out: Path, complete: Path, cluster: Cluster) -> None:
        ended = inside("resume", out, "--scheduler", cluster.address)
        assert ended.code == 0, ended.said
        assert_same_table(out, complete)
        pd.testing.assert_frame_equal(kind.open(out), kind.open(complete), check_exact=True)


class TestWrongPlans:
    """Plans that no run of this version wrote: refused, by the names of file and field."""

    @pytest.fixture
    def out(self, stopped: Path, tmp_path: Path) -> Path:
        """The folder of a run that could be resumed."""
        return copied(stopped, tmp_path / "out")

    @pytest.fixture
    def commands(
        self, kind: Kind, out: Path, source: Path, cluster: Cluster
    ) -> Sequence[tuple[object, ...]]:
        """What would go on there: resuming, and the same command again."""
        where = ("--scheduler", cluster.address)
        return ("resume", out, *where), (*kind.words, source, *where, "--out", out)

    @pytest.mark.parametrize("content", CONTENTS)
    def test_of_no_run(
        self, out: Path, commands: Sequence[tuple[object, ...]], content: str
    ) -> None:
        (out / PLAN).write_bytes(CONTENTS[content])
        for command in commands:
            assert not list(_not_refused(command, out, PLAN))

    def test_of_a_run_that_were_changed(
        self, out: Path, commands: Sequence[tuple[object, ...]]
    ) -> None:
        plan = json.loads((out / PLAN).read_text())
        deciding = {"version", "kind", "surprise", tasks_key(plan)}
        problems, tried = [], 0
        before = bytes_in(out)
        for what, field, content in plan_changes(plan):
            # Resuming does what the plan says; the same command again, what is left of its tasks.
            for command in commands if field in deciding else commands[:1]:
                # The command before may have run there, which is one of the problems.
                shutil.rmtree(out)
                out.mkdir()
                for name, some in before.items():
                    (out / name).write_bytes(some)
                (out / PLAN).write_text(json.dumps(content, indent=1))
                tried += 1
                refusal = _not_refused(command, out, PLAN, field)
                problems += [f"{command[0]}: {what}: {problem}" for problem in refusal]
        assert tried > 60
        assert not problems, f"{len(problems)} of {tried}:\n" + "\n".join(problems)

    def test_of_another_kind(
        self, kind: Kind, out: Path, source: Path, cluster: Cluster, tmp_path: Path
    ) -> None:
        other = KINDS[1] if kind.name == "forecast" else KINDS[0]
        where = ("--scheduler", cluster.address, "--out", tmp_path / "other")
        ended = inside(*other.words, source, *where)
        assert ended.code == 0, ended.said
        shutil.copy2(tmp_path / "other" / PLAN, out / PLAN)
        command = ("resume", out, "--scheduler", cluster.address)
        assert not list(_not_refused(command, out, PLAN, "kind", by=run))


class TestWrongManifests:
    """Manifests that no run of this version wrote: refused, or the run ends anew."""

    @pytest.mark.parametrize("content", CONTENTS)
    def test_of_no_run(
        self, kind: Kind, complete: Path, cluster: Cluster, tmp_path: Path, content: str
    ) -> None:
        out = copied(complete, tmp_path / "out")
        (out / MANIFEST).write_bytes(CONTENTS[content])
        with pytest.raises(CryptoDaskError, match=MANIFEST) as caught:
            kind.open(out)
        assert len(str(caught.value).splitlines()) == 1
        ended = inside("resume", out, "--scheduler", cluster.address)
        if ended.code == 0:  # made again, as any file that is torn
            assert_same_table(out, complete)
            assert len(kind.open(out)) == len(kind.open(complete))
        else:
            assert ended.code == 2, ended.said
            assert ended.line_with(MANIFEST), ended.said

    def test_of_a_run_that_were_changed(self, kind: Kind, complete: Path, tmp_path: Path) -> None:
        out = copied(complete, tmp_path / "out")
        manifest = json.loads((out / MANIFEST).read_text())
        problems, tried = [], 0
        for what, field, content in manifest_changes(manifest):
            (out / MANIFEST).write_text(json.dumps(content))
            tried += 1
            try:
                rows = kind.open(out)
            except CryptoDaskError as error:
                if MANIFEST not in str(error) or field not in str(error):
                    problems.append(f"{what}: names no file or field: {error}")
            except Exception as error:  # noqa: BLE001 - which of them is the finding
                problems.append(f"{what}: {type(error).__name__}: {error}")
            else:
                problems.append(f"{what}: {len(rows)} rows are read")
        assert tried >= 7
        assert not problems, f"{len(problems)} of {tried}:\n" + "\n".join(problems)


def test_wrong_manifests_of_a_table_of_prices(
    source: Path, cluster: Cluster, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    ended = inside("prices", "import", source, "--out", table)
    assert ended.code == 0, ended.said
    manifest = json.loads((table / "manifest.json").read_text())
    # Tables of an earlier version have no such keys, and are read.
    since = ("quote", "freq", "policies", "raw", "splits", "renames")
    newer = [f"{key}: left out" for key in since]
    changes = [change for change in manifest_changes(manifest) if change[0] not in newer]
    wrong = [(what, field, json.dumps(content).encode()) for what, field, content in changes]
    wrong += [(what, "", content) for what, content in CONTENTS.items()]
    problems = []
    for what, field, content in wrong:
        (table / "manifest.json").write_bytes(content)
        command = ("forecast", table, "--scheduler", cluster.address, "--model", "naive")
        refusal = _not_refused(command, table, "manifest.json", field, codes=(1, 2))
        problems += [f"{what}: {problem}" for problem in refusal]
    assert len(wrong) >= 15
    assert not problems, f"{len(problems)} of {len(wrong)}:\n" + "\n".join(problems)


def _not_refused(
    command: Sequence[object],
    folder: Path,
    file: str,
    field: str = "",
    by: Callable[..., Ended] = inside,
    codes: Sequence[int] = (2,),
) -> Iterator[str]:
    """Yield what keeps a command from being refused in one line that names file and field."""
    before = bytes_in(folder)
    try:
        ended = by(*command)
    except Exception as error:  # noqa: BLE001 - a traceback, which must be none
        yield f"a traceback, {type(error).__name__}: {str(error)[:200]}"
        return
    if ended.code not in codes:
        yield f"exit code {ended.code}: {ended.lines[:1] or ended.out.splitlines()[:1]}"
        return
    if len(ended.lines) != 1:
        yield f"{len(ended.lines)} lines, first {ended.lines[:1]}"
    elif file not in ended.lines[0] or field not in ended.lines[0]:
        yield f"names no file or field: {ended.lines[0]}"
    if bytes_in(folder) != before:
        yield "files in the folder are other ones"
