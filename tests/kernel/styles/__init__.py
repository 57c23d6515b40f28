"""Three small authoring styles, enough to drive the kernel the way the real ones do."""
