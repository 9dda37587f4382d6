# Each target is a script: `scripts/<target>`.
TARGETS = demo build test lint man bench

.PHONY: $(TARGETS)
$(TARGETS):
	@scripts/$@
