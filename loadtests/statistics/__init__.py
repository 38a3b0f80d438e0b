"""From records to figures, judgements and comparisons; pure."""
