"""The use cases, one verb each; the edge commits."""
