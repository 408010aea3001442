"""View models: what each page shows, frozen and already formatted."""
