"""Where things rest."""

from warehouse.views import connect

__all__ = ["connect"]
