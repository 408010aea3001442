"""What MLflow knows, asked with nothing but MLflow.

python ask_mlflow.py TRACKING_URI MODEL            the version that the alias `live` names
python ask_mlflow.py TRACKING_URI MODEL PICTURE    what that version says about a picture
"""

import sys
from pathlib import Path

import mlflow  # noqa: TID253 - this script is about MLflow


def main(tracking_uri: str, model: str, picture: str | None = None) -> None:
    """Print the answer."""
    mlflow.set_tracking_uri(tracking_uri)
    if picture is None:
        version = mlflow.MlflowClient().get_model_version_by_alias(model, "live")
        print(version.version)  # noqa: T201 - the answer
        return
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@live")
    import pandas as pd

    frame = pd.DataFrame({"image": [Path(picture).read_bytes()]})
    print(loaded.predict(frame).to_json(orient="records"))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
