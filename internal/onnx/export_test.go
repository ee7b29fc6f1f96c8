package onnx

// LimitElements makes tensors small, for fuzzing.
func LimitElements(n int) { maxElements = n }
