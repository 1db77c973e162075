"""Where results may be written."""

from pathlib import Path

import pytest

from cryptodask import CryptoManager
from cryptodask.errors import OptionError
from cryptodask.io.stores import store_of
from tests.runs.commands import inside

REFUSED = {
    "memory://run": "memory:// is the memory of one process and gone with it",
    "blockcache://run": "blockcache:// is a way to read another store",
    "generic://run": "generic:// is a way to read another store",
    "simplecache::s3://bucket/run": "URLs inside URLs are not for results",
}


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_keeps_nothing_is_refused_by_name(url: str, small_folder: Path) -> None:
    for out in (store_of, lambda url: CryptoManager(small_folder).forecast(["naive"], out=url)):
        with pytest.raises(OptionError, match=url.partition(":")[0]) as told:
            out(url)
        assert REFUSED[url] in str(told.value)
    ended = inside("forecast", small_folder, "--model", "naive", "--out", url)
    assert ended.code == 2, ended.said
    assert ended.line_with("error", url, REFUSED[url])


def test_a_path_and_a_store_are_as_they_were_given(tmp_path: Path) -> None:
    assert store_of(str(tmp_path)) == tmp_path
    assert str(store_of("s3://bucket/run")) == "s3://bucket/run"
