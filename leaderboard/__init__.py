"""Shows the store: pages, charts, the rating page."""
