"""The files that users write or open, as validated documents."""
