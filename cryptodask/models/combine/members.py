"""What members of a model learned, kept with it: of each coin as bytes, none where it has none.

Members may know different coins, and what they learn of two coins may have different shapes.
"""

from collections.abc import Sequence

import numpy as np

from cryptodask.errors import VersionError
from cryptodask.models.base import Model, cannot_be_kept
from cryptodask.models.combine.past import forecast_with
from cryptodask.models.learned import OFFSETS, Array, Learned, join_learned, ragged
from cryptodask.models.packed import Bytes, pack, unpack
from cryptodask.models.trained import Trained, learn_panel
from cryptodask.records import BoolArray, FloatArray, Panel

RAGGED = "ragged."
"""In front of the names of arrays that have different lengths of different coins."""


def learn_members(
    model: Model,
    members: Sequence[Model],
    panel: Panel,
    horizon: int,
    seed: int,
    wanted: BoolArray | None = None,
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return what members learn of coins, and why there is nothing of some.

    Parameters
    ----------
    model : Model
        Whose members they are, for messages.
    members : sequence of Model
        Those that learn nothing are passed over.
    panel : Panel
        Of ``(n_coins,)``, at least one.
    horizon, seed : int
    wanted : ndarray of bool, ``(n_members, n_coins)``, optional
        The coins that each member learns; by default all.

    Returns
    -------
    dict of str to ndarray
        Ragged bytes by member, ``member.0`` and so on.
    dict of str to str
        By coin, of those that a member can't learn of, why.

    Raises
    ------
    VersionError
        What a member learns can't be kept.
    """
    arrays: dict[str, Array] = {}
    failed: dict[str, str] = {}
    for number, member in enumerate(members):
        if not member.learns:
            continue
        places = np.arange(len(panel)) if wanted is None else np.flatnonzero(wanted[number])
        # Of one coin at least, so that a member is refused whatever coins there are.
        tried = places if len(places) else np.array([0])
        try:
            learned, failures = learn_panel(member, panel.take(tried), horizon, seed)
        except VersionError as error:
            why = f"its member {member.name} can't be kept"
            raise cannot_be_kept(model, why) from error
        packed = _pack_coins(learned) if learned and len(places) else {}
        nothing = np.empty(0, dtype=np.uint8)
        arrays |= ragged(_name_of(number), [packed.get(coin, nothing) for coin in panel.coins])
        for failure in failures:
            failed[failure.coin] = f"member {member.name}: {failure.message}"
    return arrays, failed


def forecast_member(
    known: Learned, number: int, member: Model, panel: Panel, horizon: int, seed: int
) -> tuple[FloatArray, dict[str, str]]:
    """Forecast the coins that a member learned of; all, if it learns nothing.

    Parameters
    ----------
    known : Learned
        Of the panel's coins, with arrays of `learn_members`.
    number : int
        The member's place.
    member : Model
    panel : Panel
    horizon, seed : int

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency; NaN where a forecast is missing.
    dict of str to str
        By coin, why each of the others has none.
    """
    if not member.learns:
        return forecast_with(member, panel, horizon, seed)
    parts, places = [], []
    for i, coin in enumerate(panel.coins):
        packed = known.of(_name_of(number), i)
        if len(packed):
            parts.append(_unpack_coin(packed, coin, member))
            places.append(i)
    values = np.full((len(panel), horizon), np.nan)
    failed = dict.fromkeys(panel.coins, f"{member.name} learned nothing of it")
    if places:
        some, trained = panel.take(places), Trained(member, join_learned(parts))
        values[places], reasons = forecast_with(trained, some, horizon, seed)
        failed = {coin: why for coin, why in failed.items() if coin not in some.coins} | reasons
    return values, failed


def members_lookback(members: Sequence[Model], horizon: int) -> int | None:
    """Return how many last rows members look at, once those that learn have learned.

    Parameters
    ----------
    members : sequence of Model
    horizon : int
        Bars ahead.

    Returns
    -------
    int or None
        Rows; None if one looks at all of them.
    """
    most = 1
    for member in members:
        last = (member.lookback_from if member.learns else member.lookback)(horizon)
        # Whether a coin ever moved is seen in all rows alone.
        if last is None or (member.needs_variation and not member.learns):
            return None
        most = max(most, last, member.min_length(horizon))
    return most


def columns_of(members: Sequence[Model]) -> tuple[str, ...]:
    """Return the columns that members read beside the closes, each once.

    Parameters
    ----------
    members : sequence of Model
    """
    return tuple(dict.fromkeys(name for member in members for name in member.columns))


def libraries_of(members: Sequence[Model]) -> tuple[str, ...]:
    """Return the packages whose release decides whether what members learned can be read.

    Parameters
    ----------
    members : sequence of Model
    """
    return tuple(sorted({name for member in members for name in member.libraries}))


def _name_of(number: int) -> str:
    return f"member.{number}"


def _pack_coins(learned: Learned) -> dict[str, Bytes]:
    """Return what is known of each coin, as bytes."""
    assert learned.coins is not None
    names = [name for name in learned.arrays if not name.endswith(OFFSETS)]
    packed = {}
    for i, coin in enumerate(learned.coins):
        parts = {}
        for name in names:
            is_ragged = name + OFFSETS in learned.arrays
            part = learned.of(name, i)
            parts[RAGGED + name if is_ragged else name] = part if is_ragged else part[None]
        packed[coin] = pack(parts)
    return packed


def _unpack_coin(packed: Bytes, coin: str, member: Model) -> Learned:
    arrays: dict[str, Array] = {}
    for name, array in unpack(packed, f"{coin}: {member.name}").items():
        if name.startswith(RAGGED):
            arrays |= ragged(name.removeprefix(RAGGED), [array])
        else:
            arrays[name] = array
    return Learned((coin,), arrays)
