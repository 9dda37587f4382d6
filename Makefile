# Each target is a script: `scripts/<target>`.
TARGETS = demo build test lint man bench fuzz

.PHONY: $(TARGETS)
$(TARGETS):
	@scripts/$@
