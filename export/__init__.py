"""The workshop: from a trained network to a bundle.

`command` reads what is asked for, by its `options`, `pipeline` does it: `network` makes plain forward graphs of the
members, `heads` write what their outputs mean, `fisher` writes Fisher information with the rules of `derivatives`,
`calibration` runs it over usual images, `checks` turn its statistics into p-values, and `maps` show what in the image
they come from. All write on `graph`. `errors` are how a network or images are refused, `progress` shows how far it has
come.
"""

# Sets, before anything here imports ONNX Runtime or OpenCV, what must be set by then.
from fisherlens import edge as edge
