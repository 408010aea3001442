"""HTTP routes: parse, one call, return."""
