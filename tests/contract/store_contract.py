"""The contract of `Store` as tests: subclass `StoreContract`, give it an `open_store` fixture, and every
sentence of the Protocol is checked against that store.
"""

from __future__ import annotations

from tests.contract.asking import AskingContract
from tests.contract.home import OpenStore
from tests.contract.keeping import KeepingContract

__all__ = ["OpenStore", "StoreContract"]


class StoreContract(KeepingContract, AskingContract):
    """Both halves."""
