"""From a torch module or an .onnx file to the plain forward graph of one network or an ensemble."""
