"""Registers the count task on import: `YOLO_MODULES=tests.count_task.plugin yolo count train ...`."""

from tests.count_task.task import register

register()
