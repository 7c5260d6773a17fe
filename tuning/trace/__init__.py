"""Where a number comes from: the chain back to samples, checkpoint, trial, study, rows, base and program."""
