# What a person types. `make run` and `make test` do everything on a fresh Debian or Ubuntu that has
# Rust (rustup.rs). To build, Rust needs a linker and nothing else; the rest opens a window and draws.

PACKAGES := libxkbcommon-x11-0 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libvulkan1 mesa-vulkan-drivers
ifeq ($(shell command -v cc),)
PACKAGES += gcc libc6-dev
endif
CARGO ?= cargo

.PHONY: help run test check fmt clippy doc deny typos sanitize system

help:
	@echo "make run     build and open the window; without a display leave the tour in out/"
	@echo "make test    formatting and every test"
	@echo "make check   clippy, documentation, licenses, spelling"
	@echo "make sanitize  the engine's tests under the address sanitizer (minutes)"
	@echo "make system  install the system packages that are missing (Debian, Ubuntu)"

run: system
	@$(CARGO) build --release --locked -p smalti
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname -s)" = Darwin ]; then \
		$(CARGO) run --quiet --release --locked -p smalti; \
	else \
		echo "No display here, so no window: making the tour in out/ instead."; \
		$(CARGO) run --quiet --release --locked -p smalti -- tour --out out && \
		echo "Open out/index.html in a browser."; \
	fi

# One cargo profile for everything: another would compile all dependencies again.
test: system fmt
	@$(CARGO) build --locked --release --workspace --bins
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --cargo-profile release --workspace; \
	else \
		$(CARGO) test --locked --release --workspace --lib --bins --tests; \
	fi

check: fmt typos deny clippy doc

fmt:
	@$(CARGO) fmt --all --check

clippy:
	@if $(CARGO) clippy --version >/dev/null 2>&1; then \
		$(CARGO) clippy --locked --release --workspace --all-targets -- -D warnings; \
	else echo "skipped: clippy is not installed (rustup component add clippy)"; fi

doc:
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --workspace --no-deps

deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked check bans licenses sources; \
	else echo "skipped: cargo-deny is not installed (cargo install cargo-deny)"; fi

typos:
	@if typos --version >/dev/null 2>&1; then typos; \
	else echo "skipped: typos is not installed (cargo install typos-cli)"; fi

# The engine's tests with every access to memory checked. Memory is handed out filled with NaN, and with
# debug assertions scratch begins as NaN too, so that what is read before it was written shows in a
# result. The sanitizer is not stable yet, hence RUSTC_BOOTSTRAP; with --target, build scripts and macros
# are built without it. A folder of its own, or the other builds would start anew.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
sanitize: export RUSTC_BOOTSTRAP := 1
sanitize: export RUSTFLAGS := -Zsanitizer=address -Cforce-frame-pointers=yes
sanitize: export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS := true
sanitize: export LSAN_OPTIONS := suppressions=$(CURDIR)/.config/leaks.txt:print_suppressions=0
sanitize: export ASAN_OPTIONS := max_malloc_fill_size=1073741824:malloc_fill_byte=255
SANITIZE_DIR ?= target/sanitize
sanitize:
	@$(CARGO) test --locked --release -p smalti-engine --lib --target $(HOST) --target-dir $(SANITIZE_DIR) $(TESTS)

# Only what is missing, quietly; without rights or without apt the packages are named.
system:
	@if command -v dpkg-query >/dev/null 2>&1; then \
		missing=""; \
		for package in $(PACKAGES); do \
			dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q "ok installed" \
				|| missing="$$missing $$package"; \
		done; \
		if [ -n "$$missing" ]; then \
			if [ "$$(id -u)" = 0 ]; then as=""; \
			elif sudo -n true 2>/dev/null || [ -t 0 ] && command -v sudo >/dev/null; then as="sudo"; \
			else as="none"; fi; \
			if [ "$$as" = none ]; then \
				echo "Please install:$$missing"; \
			else \
				echo "Installing$$missing"; \
				{ $$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install \
					-y -qq --no-install-recommends $$missing >/dev/null; } \
				|| echo "That did not work; please install:$$missing"; \
			fi; \
		fi; \
	fi
