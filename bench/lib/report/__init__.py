"""From kept results to a page with tables and plots."""
