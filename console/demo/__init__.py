"""The tour: one model from training to gradual traffic, told in chapters."""
