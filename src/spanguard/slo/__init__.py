"""Service levels: objectives in files of OpenSLO, checked over the local store or Prometheus, and rules made of them."""
