"""Settings of libraries that they read when imported: no reports, no bars, no spare threads."""

import os
from collections.abc import Mapping

# ONNX Runtime since 1.29 uploads events and keeps an identifier below the user's cache folder;
# MLflow contacts a configuration server. Both look at the environment when they are imported.
SILENCE: Mapping[str, str] = {
    # Threads of numpy that spin on busy cores take ten times as long as one.
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would stand before our --json
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # one for each download, however short
    "DO_NOT_TRACK": "1",
}


def silence() -> None:
    """Set the switches in this process, and so in those that it starts."""
    os.environ.update(SILENCE)
