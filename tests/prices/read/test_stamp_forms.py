"""Stamps in forms that few files have: the same bars as the usual form, or refused once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import SourceError
from cryptodask.prices import CryptoLoader, ReadOptions
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.read.clocks import plain_stamp
from tests.prices.conftest import write_files

START = datetime(2020, 1, 30, tzinfo=UTC)
Form = Callable[[datetime], str]


def ending_day(moment: datetime) -> str:
    """The midnight at the end of a day is that day's 24:00."""
    day = moment - timedelta(days=1) if moment.hour == 0 else moment
    return f"{day:%Y-%m-%d} {moment.hour or 24:02d}:00"


def exponent(moment: datetime) -> str:
    digits = str(int(moment.timestamp()) * 1000)
    return f"{digits[0]}.{digits[1:].rstrip('0')}e+{len(digits) - 1}"


def east(moment: datetime) -> str:
    return f"{moment + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}+02"


FORMS: dict[str, Form] = {
    "2020-01-30 24:00": ending_day,
    "2020-01-30T24:00:00Z": lambda m: f"{ending_day(m)}:00Z".replace(" ", "T"),
    "2020-01-30T24:00:00.000+00": lambda m: f"{ending_day(m)}:00.000+00".replace(" ", "T"),
    "2020-01-30T10:00:00+02": east,
    "2020-01-30 06:00:00 -02": lambda m: f"{m - timedelta(hours=2):%Y-%m-%d %H:%M:%S} -02",
    "20200130080000": lambda m: f"{m:%Y%m%d%H%M%S}",
    "202001300800": lambda m: f"{m:%Y%m%d%H%M}",
    "20200130T080000Z": lambda m: f"{m:%Y%m%dT%H%M%S}Z",
    "20200130T100000+0200": lambda m: f"{m + timedelta(hours=2):%Y%m%dT%H%M%S}+0200",
    "1.580371200e+12": exponent,
    "1.5803712E12": lambda m: exponent(m).replace("e+", "E"),
}


def dates_of(folder: Path, written: list[str], **options: object) -> list[pd.Timestamp]:
    """The dates of a file of bars with these stamps, none of which may be lost."""
    rows = [f"{stamp},{i + 1},{i + 1},{i + 1},{i + 1}" for i, stamp in enumerate(written)]
    content = "\n".join(["date,open,high,low,close", *rows, ""])
    source = FolderSource(write_files(folder, {"A.csv": content}), ReadOptions(**options))  # type: ignore[arg-type]
    reading = source.partitions(source.coins)[0].load()
    assert reading.prices["close"].tolist() == [float(i + 1) for i in range(len(written))]
    return reading.prices["date"].tolist()


@pytest.mark.parametrize("form", FORMS)
@given(
    step=st.sampled_from([1, 4, 24]),
    after=st.integers(0, 23),
    stamps=st.sampled_from(["open", "close"]),
)
@settings(max_examples=15, deadline=None)
def test_a_form_gives_the_bars_of_the_usual_one(
    tmp_path_factory: pytest.TempPathFactory, form: str, step: int, after: int, stamps: str
) -> None:
    hours = 0 if step == 24 else after * step
    moments = [START + timedelta(hours=hours + step * i) for i in range(8)]
    folder = tmp_path_factory.mktemp("forms")
    usual = dates_of(folder / "a", [f"{m:%Y-%m-%d %H:%M:%S}" for m in moments], stamps=stamps)
    assert dates_of(folder / "b", list(map(FORMS[form], moments)), stamps=stamps) == usual


def test_the_end_of_a_day_is_the_next_ones_begin(tmp_path: Path) -> None:
    days = [pd.Timestamp(2020, 1, day) for day in range(2, 9)]
    for i, form in enumerate(("%Y-%m-%d 24:00", "%d.%m.%Y 24:00:00", "%Y%m%d2400")):
        written = [f"{day - pd.Timedelta(days=1):{form}}" for day in days]
        assert dates_of(tmp_path / str(i), written, day_first=True) == days
    assert plain_stamp("20201231240000") == "2020-12-31 24:00:00"
    for other in ("2020-01-01 24:30", "20200101993000", "20201301080000", "123456789012"):
        assert plain_stamp(other) == other


def test_a_frame_of_such_stamps_is_read_as_a_file() -> None:
    moments = [START + timedelta(hours=i) for i in range(30)]
    usual, late = (
        CryptoLoader(pd.DataFrame({"coin": "A", "date": written, "close": range(1, 31)})).get_df()
        for written in ([f"{m:%Y-%m-%d %H:%M}" for m in moments], list(map(ending_day, moments)))
    )
    assert len(late) == 30
    pd.testing.assert_frame_equal(late, usual)


@pytest.mark.parametrize(
    ("stamp", "zone"),
    [("{} 16:00:00 EST", "EST"), ("{}T16:00 CEST", "CEST"), ("{} 16:00 Europe/Berlin", "Europe/"),
     ("{} 16:00:00.000 PDT", "PDT")],
)  # fmt: skip
@pytest.mark.parametrize("header", ["date,open,high,low,close\n", "date,close\n", ""])
def test_the_name_of_a_zone_is_refused_once_with_what_to_do(
    tmp_path: Path, stamp: str, zone: str, header: str
) -> None:
    values = ",1" if "date,close" in header else ",1,2,0.5,1"
    rows = [f"{stamp.format(f'2020-01-{day:02d}')}{values}" for day in range(1, 30)]
    folder = write_files(tmp_path / "a", {"A.csv": header + "\n".join(rows) + "\n"})
    with pytest.raises(SourceError) as caught:
        FolderSource(folder, ReadOptions())
    message = str(caught.value)
    assert message.count(zone) == 2 or zone == "Europe/"
    assert repr(stamp.format("2020-01-01")) in message
    assert "write stamps in UTC, or with their offset" in message


def test_counts_that_a_spreadsheet_rounded_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"1.58{i // 9}E+12,1\n" for i in range(30))
    folder = write_files(tmp_path / "a", {"A.csv": f"timestamp,close\n{rows}"})
    with pytest.raises(SourceError, match=r"'1.58.E\+12': the last digits of stamps are lost"):
        FolderSource(folder, ReadOptions())
