"""Records runs in MLflow. No other package uses MLflow."""

from styleheat.tracking.execution import dvc_process
from styleheat.tracking.store import EXPERIMENT, connect, shown_uri
from styleheat.tracking.tracker import MlflowTracker, Status, Tracker

__all__ = ["EXPERIMENT", "MlflowTracker", "Status", "Tracker", "connect", "dvc_process", "shown_uri"]
