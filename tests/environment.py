"""The environment that every test and every process it starts sees; importing this sets it up.

It comes before anything that reads the environment when it is imported.
"""

import os

import structlog

from registry.adapters.quiet import silence

# The settings of whoever runs the tests are none of the tests' business.
for _name in [name for name in os.environ if name.startswith(("STAGEGATE_", "MLFLOW_"))]:
    del os.environ[_name]
# Nothing that the tests talk to lies behind a proxy.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
# No dependency phones home, and none makes more threads than there are cores for two tests.
silence()
# A traceback with every local variable, which is what structlog prints by itself, takes a second.
_plain = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _plain])
