"""Fuzz targets: functions that take bytes, and raise or hang only when a reader has a defect."""
