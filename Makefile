# Each target is a script: `scripts/<target>`.
TARGETS = demo build test lint man bench simulate fuzz install uninstall deb

.PHONY: $(TARGETS)
$(TARGETS):
	@scripts/$@
