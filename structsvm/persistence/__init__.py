"""Files: model files and checkpoints, and how any file is written."""
