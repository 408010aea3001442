"""Answering a request."""
