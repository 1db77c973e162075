"""Every error that CryptoDask raises on purpose.

::

    CryptoDaskError
    ├── InputError                what was asked for can't be done as asked
    │   ├── SourceError           no price source at that path
    │   ├── UnknownCoinError      no coin of that name in the source
    │   ├── UnknownModelError     no model of that name in the catalog
    │   ├── PolicyError           prices have what a policy does not let pass
    │   ├── OptionError           an option or argument out of its range
    │   ├── DamagedFileError      a file that a run wrote is not as it was written
    │   └── VersionError          a version of a model can't be kept, found, changed or used
    ├── PriceFileError            one file of prices
    │   ├── NotAPriceFileError    its columns are not those of prices
    │   └── UnreadableFileError   it is empty, binary, or cut off
    ├── TableError                a price table on disk is damaged or of another version
    ├── SeriesError               one coin has no forecast of one model
    │   ├── NoPricesError         not one readable row
    │   ├── TooShortError         fewer rows than the model needs
    │   ├── ConstantSeriesError   every close is the same
    │   ├── BrokenSeriesError     closes or dates that are no series of prices
    │   ├── ForecastError         the model ran, and gave no finite number
    │   ├── UntrainedError        a version of a model was not trained on it
    │   └── WorkerDiedError       workers died of it, or took too long
    ├── LookaheadError            a forecast depends on rows after its cutoff
    ├── ContractError             a model breaks a rule of models
    ├── PromotionError            a gate failed, or another process moved the alias first
    ├── ClusterError              no scheduler or no worker there, or one that can't be used
    ├── WriteError                results can't be written: the disk is full, or gone
    ├── StoreError                a store can't be reached, or has other numbers of a run
    ├── ExchangeError             an exchange can't be reached, or does not answer any more
    ├── ExportError               a server that versions go to can't be reached, or refuses one
    └── MissingExtraError         an optional package is not installed

A message names the file, line or coin, the rule, the value received, and what to do.

`PriceWarning` is a warning: rows of a folder that could not be read were left out, or a split or
rename is of a coin that is not there.
`SampleWarning` is one, too: no prices were given, and the sample of made-up coins is used.
"""

from cryptodask.text import printable


class CryptoDaskError(Exception):
    """Base of all errors below: ``except CryptoDaskError`` catches them.

    Parameters
    ----------
    *args : str
        The message. It may quote a file, or a library that quotes one: what would not print, or
        write to a terminal, becomes an escape.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(printable(arg) if isinstance(arg, str) else arg for arg in args))


class InputError(CryptoDaskError):
    """What was asked for can't be done as asked."""


class SourceError(InputError):
    """That path has no source of prices."""


class UnknownCoinError(InputError):
    """The source has no coin of that name."""


class UnknownModelError(InputError):
    """The catalog has no model of that name."""


class PolicyError(InputError):
    """Prices have something that a policy does not let pass."""


class OptionError(InputError):
    """An option or argument is unknown or out of its range."""


class DamagedFileError(InputError):
    """A file that a run wrote is not as it was written: missing, cut off, or changed."""


class VersionError(InputError):
    """A version of a model can't be kept, found, changed, or used with these prices."""


class PriceFileError(CryptoDaskError):
    """One file of prices can't be used; the other files can."""


class NotAPriceFileError(PriceFileError):
    """The columns of a file are not those of prices."""


class UnreadableFileError(PriceFileError):
    """A file is empty, binary, or cut off."""


class TableError(CryptoDaskError):
    """A price table on disk is damaged, of another version, or being written by another."""


class SeriesError(CryptoDaskError):
    """One coin has no forecast of one model."""


class NoPricesError(SeriesError):
    """A coin has not one readable row."""


class TooShortError(SeriesError):
    """A coin has fewer rows than the model needs."""


class ConstantSeriesError(SeriesError):
    """Every close of a coin is the same, so there is nothing to fit."""


class BrokenSeriesError(SeriesError):
    """The closes or dates of a coin are no series of prices."""


class ForecastError(SeriesError):
    """The model ran on a coin and gave no finite number."""


class UntrainedError(SeriesError):
    """A version of a model was not trained on this coin, or on later prices of it."""


class WorkerDiedError(SeriesError):
    """Each worker that was given the coin died, or took too long."""

    @classmethod
    def of(cls, coin: str, model: str, timeout: float | None) -> "WorkerDiedError":
        """Return the error of a coin that killed its workers, with what can be done.

        Parameters
        ----------
        coin, model : str
        timeout : float, optional
            Seconds that a worker had for it.
        """
        slow = "" if timeout is None else f" or took longer than {timeout:g} seconds"
        return cls(
            f"{coin}: {model}: each worker that ran it alone died{slow}; see their logs for why (a "
            "crash, or more memory than a worker has), give workers more memory or time "
            "(--timeout), or forecast it by another model"
        )


class LookaheadError(CryptoDaskError):
    """A forecast depends on rows after its cutoff, so that no backtest of the model is true."""


class ContractError(CryptoDaskError):
    """A model breaks a rule that every model obeys; see `cryptodask.testing.check_model`."""


class PromotionError(CryptoDaskError):
    """An alias was not moved: a gate failed, or another process moved it first."""


class ClusterError(CryptoDaskError):
    """No scheduler or worker was found, or none that can be used."""


class WriteError(CryptoDaskError):
    """Results can't be written where they were to go: the disk is full, read-only, or gone."""


class StoreError(CryptoDaskError):
    """A store can't be opened or reached, or holds other numbers under the key of a run."""


class ExchangeError(CryptoDaskError):
    """An exchange can't be reached, or does not answer any more."""


class ExportError(CryptoDaskError):
    """A server that versions are exported to can't be reached, or refuses one."""


class MissingExtraError(CryptoDaskError):
    """An optional package is not installed."""


class PriceWarning(UserWarning):
    """Rows or files could not be read and were left out; ``findings()`` lists them.

    Or a split or rename is of a coin that is not there.
    """


class SampleWarning(UserWarning):
    """No prices were given, so that those of made-up coins are used."""


ENDING = (InputError, MissingExtraError, ImportError, WriteError, ClusterError)
"""What concerns every coin, and ends a run."""


def exit_message(error: SystemExit) -> str:
    """Return what is said of a user's code that would end the process it runs in.

    Parameters
    ----------
    error : SystemExit
    """
    return f"called sys.exit({error.code!r}), which ends no run; raise an error in its place"
