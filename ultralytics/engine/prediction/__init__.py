"""Parts of the predictor: reading ahead, tensors, output files, windows."""
