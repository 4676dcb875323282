"""Ready-made applications: not in this version, and every name here says so."""

from ultralytics._lazy import refuse

__getattr__ = refuse(__name__, "the ready-made solutions are")
