"""What computes sentence vectors: one module for each kind of model, all behind `batches.Model`."""
