"""Why an order that was to be sent is not known to be at the exchange."""


class RejectedError(Exception):
    """The exchange has not taken an order, and says why."""


class StoppedError(Exception):
    """An order was not sent, and will not be."""


class LostError(Exception):
    """What became of an order that was sent is not known."""
