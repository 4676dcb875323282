"""Everything about coordinates, as pure functions of tensors and arrays.

Modules: boxes, iou, rotated, anchors, letterbox, masks, segments, keypoints, suppress, assign.
Nothing here knows about models, files or settings; import the module you need.
"""
