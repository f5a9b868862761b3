"""Pages for everybody: the archive of what was sent, joining and leaving. They set no cookie and need no script."""
