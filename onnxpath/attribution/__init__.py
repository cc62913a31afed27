"""Attribution maps: the call, what it returns, and in methods/ one file per method."""
