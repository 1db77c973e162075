"""`cryptodask prices`, as a user runs it."""

import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask import CryptoLoader, PriceTable
from cryptodask.prices.clean.findings import ACTIONS, FINDING_KINDS
from tests.cli.command import inside, run
from tests.conftest import Cluster
from tests.exchange_server import ExchangeServer, Fault, Listing, day_of


def test_import_reports_and_check_repeats_it(tmp_path: Path, healthy: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    for path in healthy.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    done = run("prices", "import", folder, "--out", tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    (folder / "list.csv").write_text("#,Name,Price\n1,Bitcoin,3\n")
    (folder / "Odd.csv").write_text(
        'Date,Open,High,Low,Close,Volume\n"Feb 30, 2024",1,1,1,1,5\n2024-01-02,1,1,1,1,"1,234"\n'
    )
    done = run("prices", "import", folder, "--out", tmp_path / "table", "--partitions", 2)
    assert done.returncode == 3
    text = " ".join(done.stdout.split())
    assert "5 coins, 2 parts" in text
    assert "left out: list.csv: has no date column" in text
    assert "unreadable_row: Odd.csv, line 2: 'Feb 30, 2024': date: no such day" in text
    again = run("prices", "check", tmp_path / "table")
    assert (again.returncode, again.stdout) == (3, done.stdout)
    page = tmp_path / "report.html"
    assert run("prices", "check", tmp_path / "table", "--html", page).returncode == 3
    assert "no such day in the calendar" in page.read_text()
    assert run("prices", "check", tmp_path / "table", "--html", "report.pdf").returncode == 2
    refused = run("prices", "import", folder, "--out", tmp_path / "table")
    assert refused.returncode == 2
    assert "there is a table already" in refused.stderr
    assert (
        run("prices", "import", folder, "--out", tmp_path / "table", "--overwrite").returncode == 3
    )


def test_append_adds_new_days_and_tells_corrections(tmp_path: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "Acoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,2\n")
    table = tmp_path / "table"
    assert run("prices", "import", folder, "--out", table).returncode == 0
    new = tmp_path / "Acoin.csv"
    new.write_text("Date,Close\n2024-01-02,2.5\n2024-01-03,3\n2024-02-30,4\n")
    done = run("prices", "append", table, new)
    text = " ".join(done.stdout.split())
    assert "1 new row, 1 corrected" in text
    assert "unreadable_row: Acoin.csv, line 4: '2024-02-30'" in text
    assert done.returncode == 3
    again = run("prices", "append", table, new)
    assert "0 new rows, 0 corrected, 0 differ and were left out, 2 were there" in " ".join(
        again.stdout.split()
    )
    refused = run("prices", "append", table, folder, "--corrections", "fail")
    assert refused.returncode == 2
    assert "Acoin" in refused.stderr
    packed = run("prices", "compact", table)
    assert packed.returncode == 0
    assert "3 rows in 1 part," in packed.stdout
    assert "unreadable_row" in run("prices", "check", table).stdout


def test_what_files_do_not_tell_is_said_by_options(tmp_path: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "Acoin.csv").write_text("Day,Last\n03/04/2024,1\n04/04/2024,2\n")
    options = ["--column", "date=Day", "--column", "close=Last", "--out", tmp_path / "table"]
    asked = inside("prices", "import", folder, *options)
    assert asked.returncode == 2
    assert "--dayfirst" in asked.stderr
    done = inside("prices", "import", folder, *options, "--dayfirst")
    assert done.returncode == 0, done.stderr
    assert "2024-04-03 to 2024-04-04" in done.stdout
    wrong = inside("prices", "import", folder, "--column", "close", "--out", tmp_path / "other")
    assert wrong.returncode == 2
    assert "COLUMN=HEADER" in wrong.stderr


def test_fetch_makes_a_table_and_goes_on_where_it_stopped(tmp_path: Path):
    table = tmp_path / "table"
    listings = [Listing("AAA"), Listing("BBB", volume=5e5)]
    with ExchangeServer(listings) as server:
        options = ["--api-url", server.url, "--since", "2024-01-01", "--out", table]
        done = run("prices", "fetch", *options, "--top", 2, "--until", "2024-02-01")
        assert done.returncode == 0, done.stderr
        assert "64 new days of 2 coins" in done.stdout
        more = run("prices", "fetch", *options, "--coins", "BBB", "--until", "2024-02-03")
        assert "2 new days of 1 coin\n" in more.stdout
    checked = run("prices", "check", table)
    assert "66 rows, 2 coins" in checked.stdout
    down = run("prices", "fetch", *options, "--retries", 0)
    assert down.returncode == 1
    assert "Traceback" not in down.stderr
    assert PriceTable(table).coins == ["AAA", "BBB"]


class Jumping(ExchangeServer):
    """An exchange whose prices are a hundredfold from a day on."""

    def answer(self, path: str, query: dict[str, str], fault: Fault | None) -> tuple[int, Any]:
        status, content = super().answer(path, query, fault)
        if path == "klines":
            for row in content:
                if row[0] >= day_of("2024-02-02") * 86_400_000:
                    row[1:5] = [str(100 * float(price)) for price in row[1:5]]
        return status, content


def test_fetch_says_what_is_odd_only_beside_the_rows_of_the_table(tmp_path: Path):
    with Jumping([Listing("AAA"), Listing("BBB")]) as server:
        options = ["--api-url", server.url, "--since", "2024-01-01", "--out", tmp_path / "table"]
        options += ["--coins", "AAA, BBB"]
        calm = inside("prices", "fetch", *options, "--until", "2024-02-01")
        assert "64 new days of 2 coins" in calm.stdout
        assert "large_move" not in calm.stdout
        moved = inside("prices", "fetch", *options, "--until", "2024-02-03")
    assert "4 new days of 2 coins" in moved.stdout
    assert "large_move" in moved.stdout


def test_the_policies_are_listed_with_the_default_first():
    done = run("prices", "policies")
    assert done.returncode == 0
    words = " ".join(done.stdout.replace("│", " ").split())
    for kind, k in FINDING_KINDS.items():
        assert (kind in words) == bool(k.actions)
    for action, what in ACTIONS.items():
        assert f"{action}: {what.split()[0]}" in words
    assert "volume of zero keep: kept" in words


def test_a_policy_that_is_none_ends_with_2_and_says_what_there_is(tmp_path: Path):
    (tmp_path / "prices").mkdir()
    importing = ["prices", "import", tmp_path / "prices", "--out", tmp_path / "table"]
    for policy, told in (
        ("oddity=drop", "no kind of finding 'oddity' to choose for; known: not_a_price_file,"),
        ("gap", "--policy 'gap': write it as KIND=ACTION, such as stale_run=drop"),
    ):
        done = inside(*importing, "--policy", policy)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
    done = inside(*importing, "--freq", "2h")
    assert (done.returncode, done.stdout) == (2, "")
    assert "freq: must be one of 1h, 4h, 1d, got '2h'" in done.stderr


def test_a_table_has_policies_and_what_is_appended_goes_by_them(tmp_path: Path):
    folder, table = tmp_path / "prices", tmp_path / "table"
    folder.mkdir()
    header = "Date,Open,High,Low,Close,Volume\n"
    (folder / "Acoin.csv").write_text(header + "2024-01-01,1,2,1,1,5\n2024-01-02,1,2,1,2,0\n")
    importing = ["prices", "import", folder, "--out", table]
    refused = inside(*importing, "--policy", "zero_volume=fail")
    assert (refused.returncode, refused.stdout) == (2, "")
    text = " ".join(refused.stderr.split())
    assert "error: Acoin.csv, line 3, Acoin, 2024-01-02: zero_volume: '0'" in text
    assert "choose another policy: keep, repair:missing, drop" in text
    assert "Traceback" not in refused.stderr
    assert not table.exists()

    done = inside(*importing, "--policy", "zero_volume=drop", "--policy", "high_under_low=repair")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "1 row, 1 coin, 1 part," in text
    assert "zero_volume: drop; high_under_low: repair:swap" in text
    assert "zero_volume 1 1 a volume of zero left out" in text

    new = tmp_path / "Acoin.csv"
    new.write_text(header + "2024-01-03,1,1,2,1,0\n2024-01-04,1,1,2,1,5\n")
    done = inside("prices", "append", table, new)
    assert done.returncode == 0, done.stderr
    assert "1 new row, 0 corrected" in done.stdout
    rows = CryptoLoader(table).get_df()
    assert rows[["low", "high"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "high and low swapped" in text
    assert "gap 1 1" in text

    fetched = inside("prices", "fetch", "--out", table, "--since", "2024-01-01", "--freq", "4h")
    assert (fetched.returncode, fetched.stdout) == (2, "")
    assert "--freq 4h: " in fetched.stderr
    assert "table has daily bars; name another" in " ".join(fetched.stderr.split())


def test_what_a_file_leaves_open_is_said_by_options_and_refused_without(tmp_path: Path):
    folder, table = tmp_path / "prices", tmp_path / "table"
    folder.mkdir()
    rows = [f"2024-01-{day:02d} 00:12:00,1,3,0.5,{1 + day / 100},2" for day in range(2, 20)]
    (folder / "Acoin.csv").write_text("\n".join(["When,Open,High,Low,Quux,Bid", *rows, ""]))
    importing = ["prices", "import", folder, "--out", table, "--column", "date=When"]
    refused = inside(*importing)
    assert refused.returncode == 2
    text = " ".join(refused.stderr.split())
    assert (
        "columns found: When, Open, High, Low, Quux, Bid; name it with --column close=Quux" in text
    )
    importing += ["--column", "close=Quux", "--stamps", "close"]
    done = inside(*importing, "--stamp-tolerance", 900)
    assert done.returncode == 0, done.stderr
    frame = CryptoLoader(table).get_df()
    assert frame["date"].tolist() == list(pd.date_range("2024-01-01", periods=18))
    assert frame["close"].tolist() == [1 + day / 100 for day in range(2, 20)]
    bad = inside(*importing, "--stamps", "end")
    assert (bad.returncode, "stamps: must be open or close" in bad.stderr) == (2, True)


def test_hours_are_imported_appended_and_forecast(cluster: Cluster, tmp_path: Path):
    folder, table = tmp_path / "prices", tmp_path / "table"
    folder.mkdir()

    def hours(first: int, last: int) -> str:
        rows = [f"2024-01-01 {h:02d}:00:00,{1 + h}" for h in range(first, last)]
        return "\n".join(["Open time,Close", *rows, ""])

    (folder / "Acoin.csv").write_text(hours(0, 20))
    (folder / "Bcoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,2\n")
    importing = ["prices", "import", folder, "--out", table, "--layout", "klines"]
    mixed = inside(*importing)
    assert mixed.returncode == 2
    assert "daily bars (Bcoin.csv) and hourly bars (Acoin.csv) are mixed" in mixed.stderr
    done = inside(*importing, "--freq", "1h")
    assert done.returncode == 3, done.stderr
    assert "20 rows, 1 coin," in done.stdout
    assert "; hourly bars" in done.stdout
    assert "Bcoin.csv: date: daily bars, and hourly bars are wanted" in done.stdout
    (tmp_path / "Acoin.csv").write_text(hours(21, 23))
    grown = inside("prices", "append", table, tmp_path / "Acoin.csv", "--layout", "klines")
    assert "2 new rows" in grown.stdout
    out = tmp_path / "f.csv"
    done = inside("forecast", table, "--scheduler", cluster.address, "--horizon", 3,
               "--gaps", "fill", "--gap-limit", 1, "--out", out)  # fmt: skip
    assert done.returncode == 3, done.stderr  # of the other coin there is nothing
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "forecasts from 2024-01-01 22:00, 3 bars" in text
    assert "Acoin naive 23 23 23" in text  # last close, first and last step
    dates = pd.to_datetime(pd.read_csv(out)["date"])
    assert dates.tolist() == list(pd.date_range("2024-01-01 23:00", periods=3, freq="h"))


def test_hours_are_fetched_and_go_on_hour_by_hour(tmp_path: Path):
    table = tmp_path / "table"
    with ExchangeServer([Listing("AAA")]) as server:
        options = [
            "--api-url",
            server.url,
            "--since",
            "2024-01-01",
            "--out",
            table,
            "--coins",
            "AAA",
        ]
        done = inside("prices", "fetch", *options, "--until", "2024-01-02", "--freq", "4h")
        assert done.returncode == 0, done.stderr
        assert "12 new bars of 4h of 1 coin\n" in done.stdout
        more = inside("prices", "fetch", *options, "--until", "2024-01-03")
        assert "6 new bars of 4h of 1 coin\n" in more.stdout
    opened = PriceTable(table)
    assert (opened.freq, len(opened)) == ("4h", 18)
    assert CryptoLoader(table).get_df()["date"].diff().dropna().unique().tolist() == [
        pd.Timedelta(hours=4)
    ]


def test_the_page_of_a_table_that_lost_nothing_is_written_too(
    small_folder: Path, tmp_path: Path
) -> None:
    assert inside("prices", "import", small_folder, "--out", tmp_path / "table").returncode == 0
    page = tmp_path / "report.html"
    done = inside("prices", "check", tmp_path / "table", "--html", page)
    assert done.returncode == 0, done.stderr
    assert "stale_run" in page.read_text()


def test_list_shows_the_coins_of_files_and_tables(tmp_path: Path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "Acoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,0.1\n2024-01-05,3\n")
    (folder / "Bcoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,7\n")
    table = tmp_path / "table"
    assert inside("prices", "import", folder / "*.csv", "--out", table).returncode == 0
    shown = inside("prices", "list", table)
    assert shown.returncode == 0, shown.stderr
    assert "2 coins, 5 bars" in shown.stdout
    expected = [
        {"coin": "Acoin", "symbol": "", "first": "2024-01-01", "last": "2024-01-05", "bars": 3,
         "last_close": 3.0, "gaps": 1, "missing": 2},
        {"coin": "Bcoin", "symbol": "", "first": "2024-01-01", "last": "2024-01-02", "bars": 2,
         "last_close": 7.0, "gaps": 0, "missing": 0},
    ]  # fmt: skip
    for source in (table, folder, folder / "[AB]*.csv"):
        assert json.loads(inside("prices", "list", source, "--format", "json").stdout) == expected
    for name in ("coins.csv", "coins.json", "coins.parquet"):
        assert inside("prices", "list", table, "--out", tmp_path / name).returncode == 0
    assert json.loads((tmp_path / "coins.json").read_text()) == expected
    assert pd.read_csv(tmp_path / "coins.csv")["last"].tolist() == ["2024-01-05", "2024-01-02"]
    assert inside("prices", "list", folder / "Acoin.csv").returncode == 0
    assert inside("prices", "list", table, "--format", "xml").returncode == 2
    formula = tmp_path / "formula.csv"
    formula.write_text("coin,date,close\n'=cmd|calc,2024-01-01,1\n@x,2024-01-01,2\n")
    listed = inside("prices", "list", formula, "--format", "csv").stdout.splitlines()
    assert [line.partition(",")[0] for line in listed] == ["coin", "'=cmd|calc", "'@x"]
    (folder / "Dead.csv").write_text("")
    lost = inside("prices", "list", folder)
    assert lost.returncode == 3
    assert "Dead.csv: is empty" in lost.stderr


def test_an_import_and_an_append_say_how_to_declare_another_unit(tmp_path: Path):
    closes = [1 + 0.01 * (i % 3) for i in range(20)]
    lines = [f"2024-01-{i + 1:02d},{close}" for i, close in enumerate(closes)]
    cents = [f"2024-01-{i + 1:02d},{close * 100}" for i, close in enumerate(closes)]
    whole, older, newer = (tmp_path / name / "Bit Coin.csv" for name in ("all", "old", "new"))
    for file, rows in ((whole, lines[:15] + cents[15:]), (older, lines[:15]), (newer, cents[15:])):
        file.parent.mkdir()
        file.write_text("\n".join(["Date,Close", *rows, ""]))
    hint = "--split 'Bit Coin:2024-01-16:0.01'"
    done = inside("prices", "import", whole, "--out", tmp_path / "whole")
    assert "large_move: Bit Coin, 2024-01-16: about 100 times the close before" in done.stdout
    assert hint in done.stdout
    grown = tmp_path / "grown"
    first = inside("prices", "import", older, "--out", grown)
    assert "15 rows, 1 coin, 1 part, 2024-01-01 to 2024-01-15" in first.stdout
    assert "--split" not in first.stdout
    more = inside("prices", "append", grown, newer)
    assert "5 new rows, 0 corrected" in more.stdout
    assert "; 0 new coins;" in more.stdout
    assert hint in more.stdout
    assert hint in inside("prices", "check", grown).stdout
    words = shlex.split(hint)
    declared = inside("prices", "import", whole, "--out", tmp_path / "split", *words)
    assert declared.returncode == 0, declared.stderr
    assert "large_move" not in declared.stdout


def test_a_declaration_of_a_coin_that_is_not_there_is_said_to_wait(tmp_path: Path) -> None:
    (tmp_path / "Acoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,2\n")
    (tmp_path / "Bcoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,2\n")
    table = tmp_path / "table"
    declared = ("--split", "Acion:2024-01-02:0.001", "--rename", "Old:New")
    done = inside("prices", "import", tmp_path / "Acoin.csv", "--out", table, *declared)
    assert done.returncode == 0
    split = (
        "split Acion:2024-01-02:0.001: Acion is not a coin of the table (did you mean Acoin?); it "
        "is kept for what is appended"
    )
    rename = "rename Old:New: Old is not a coin of the table; it is kept for what is appended"
    assert done.stderr.splitlines() == [split, rename]
    done = inside("prices", "append", table, tmp_path / "Bcoin.csv", "--rename", "Ccoin:Bcoin")
    assert done.returncode == 0
    assert "rename Ccoin:Bcoin: Ccoin is not a coin of the table (did you mean" in done.stderr
    lines = inside("prices", "check", table).stdout.splitlines()
    assert split.split("(")[0] in lines[0]
    assert rename in lines


def test_a_list_of_files_names_rows_that_were_lost_and_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "Acoin.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,x\n2024-01-03,2\n")
    done = inside("prices", "list", tmp_path)
    assert done.returncode == 3
    assert "unreadable_row: Acoin.csv, line 3: 'x': close: no number" in done.stderr
    table = tmp_path / "table"
    inside("prices", "import", tmp_path, "--out", table)
    assert inside("prices", "list", table).returncode == 0


def test_an_option_that_only_an_import_has_is_named_with_the_import(tmp_path: Path) -> None:
    (tmp_path / "Acoin.csv").write_text("Date,High,Low,Foo\n2024-01-01,3,1,2\n")
    refused = inside("forecast", tmp_path)
    assert refused.returncode == 2
    text = " ".join(refused.stderr.split())
    assert "--column close=" in text
    assert f"that option is of `cryptodask prices import {tmp_path} --out TABLE`" in text


def test_further_columns_are_kept_by_name_and_others_are_named(tmp_path: Path):
    folder, table = tmp_path / "prices", tmp_path / "table"
    folder.mkdir()
    (folder / "Acoin.csv").write_text(
        "Date,Close,The Mood,Kind,Other\n2024-01-01,1,0.5,L1,7\n2024-01-02,2,0.75,L1,7\n"
    )
    done = run("prices", "import", folder, "--out", table, "--column", "The Mood", "--fact", "Kind")
    text = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stderr
    assert "columns: The Mood, Kind" in text
    assert "columns left out: 'Other'; not asked for: --column NAME keeps" in text
    new = tmp_path / "Acoin.csv"
    new.write_text("Date,Close,The Mood,Kind\n2024-01-03,3,high,L1\n")
    done = run("prices", "append", table, new)
    assert done.returncode == 3
    text = " ".join(done.stdout.split())
    assert "unreadable_value: Acoin.csv, line 2: 'high': column 'The Mood': no finite" in text
    assert PriceTable(table).load_own()["The Mood"].tolist()[:2] == [0.5, 0.75]
    refused = run("prices", "append", table, new, "--column", "Other")
    assert refused.returncode == 2
    assert "keeps the columns that it was imported with" in refused.stderr
    refused = run("prices", "import", folder, "--out", tmp_path / "t2", "--column", "the mood")
    assert refused.returncode == 2
    assert "no such column; further columns there: 'The Mood', 'Kind', 'Other'" in " ".join(
        refused.stderr.split()
    )
