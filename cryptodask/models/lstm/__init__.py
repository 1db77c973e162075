"""The LSTM: its layers, kernels and training."""
