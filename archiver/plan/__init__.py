"""Pure decisions: values in, plan out; no clock, no disk, no network."""
