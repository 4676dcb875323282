"""Where predictions get their pictures from; public names are in `ultralytics.data.loaders`."""
