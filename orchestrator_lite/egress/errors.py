"""What becomes of an outgoing call that does not succeed."""

from __future__ import annotations

from avtomatika_client.protocol.errors import AvtomatikaError


class EgressAllowError(AvtomatikaError):
    """An entry of `egress_allow` is no HOST[:PORT]."""


class EgressError(AvtomatikaError):
    """An outgoing call that did not succeed."""


class EgressRefused(EgressError):
    """The guard lets nothing go there; trying again does not help."""


class EgressTimeout(EgressError):
    """The time for the call was up."""


class NotConnectedError(EgressError):
    """Nothing has been sent: there is no connection."""


class TooMuchError(EgressError):
    """The answer is larger than it may be."""
