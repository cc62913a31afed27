"""Attribution maps: one file per method, each a few programs on the one engine. A new one is listed in METHODS."""
