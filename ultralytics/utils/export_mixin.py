"""Tables of results: a class that can summarise itself as rows becomes a data frame, CSV or JSON.

polars is loaded only when a table is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

__all__ = ["DataExportMixin"]


class DataExportMixin:
    """Adds `to_df`, `to_csv` and `to_json` to a class with `summary(normalize, decimals)`."""

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """Rows of the table; every class defines its own."""
        raise NotImplementedError(f"{type(self).__name__} has no summary")

    def to_df(self, normalize: bool = False, decimals: int = 5) -> polars.DataFrame:
        """The rows of `summary` as a polars data frame; no rows give a frame of shape (0, 0)."""
        import polars

        return polars.DataFrame(self.summary(normalize=normalize, decimals=decimals))

    def to_csv(self, normalize: bool = False, decimals: int = 5) -> str:
        """The rows as CSV text; cells that hold lists or mappings become Python literals."""
        import polars

        frame = self.to_df(normalize=normalize, decimals=decimals)
        flat = [
            polars.Series(name, [None if v is None else str(v) for v in frame[name].to_list()])
            if dtype.is_nested() or dtype == polars.Object
            else frame[name]
            for name, dtype in frame.schema.items()
        ]
        return polars.DataFrame(flat).write_csv()

    def to_json(self, normalize: bool = False, decimals: int = 5) -> str:
        """The rows as one line of JSON."""
        return self.to_df(normalize=normalize, decimals=decimals).write_json()
