"""The `yolo` command: words to arguments (`parse`), commands (`commands`) and help (`text`)."""
