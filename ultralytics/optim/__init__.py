"""Optimisers of our own."""

from ultralytics.optim.muon import MuSGD, muon_update, zeropower_via_newtonschulz5

__all__ = ["MuSGD", "muon_update", "zeropower_via_newtonschulz5"]
