"""Which worker runs which test, where tests run on several (`pytest -n 2`).

Modules that share what takes seconds to make go to one worker as a whole, and first, so that the
many short tests even out what is left. (`xdist_group` of pytest-xdist 3.8 would say this beside
the tests, but does nothing under pytest 9.2.)
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    ("e2e/test_service.py",),
    ("e2e/test_workers.py",),
    ("e2e/test_foreign_clients.py",),
    ("integration/registry/test_registration.py", "integration/registry/test_preprocessing.py"),
    ("integration/registry/test_formats.py",),
    ("e2e/test_pages_browser.py",),
    ("e2e/test_login_browser.py",),
    ("e2e/test_review_browser.py",),
    ("e2e/test_review_mishaps.py",),
    ("integration/registry/test_mlflow_versions.py",),
)
SCOPES = {f"tests/{module}": modules[0] for modules in TOGETHER for module in modules}


class SharingScheduling(LoadScopeScheduling):
    """Whole groups first, then test by test."""

    def _split_scope(self, nodeid: str) -> str:
        return SCOPES.get(nodeid.partition("::")[0], nodeid)
