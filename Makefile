# Each target is a script: `scripts/<target>`.
TARGETS = demo build test test-install test-install-vm lint man bench simulate fuzz install uninstall deb

.PHONY: $(TARGETS)
$(TARGETS):
	@scripts/$@
