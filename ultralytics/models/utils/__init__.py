"""Parts that several model families share, under the names users know."""
