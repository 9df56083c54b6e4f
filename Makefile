# For the habit of it: everything is done by ./dev.
.PHONY: up test lint bench lock
up test lint bench lock:
	./dev $@
