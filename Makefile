# libwmproxy. `make help` lists the targets.
#
#   PREFIX=/usr/local DESTDIR=   where `make install` puts things
#   CI=true                      warnings are errors
#   SECONDS_EACH=60              how long `make fuzz` gives each target
#   ARGS=                        options for `make bench`
#
# Everything made here is under .build/ and dist/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DESTDIR ?=
CC := $(if $(filter default,$(origin CC)),cc,$(CC))
CFLAGS ?= -O2 -g
SECONDS_EACH ?= 60

version_part = $(shell sed -n 's/^\#define WMP_VERSION_$(1) //p' include/wmproxy.h)
VERSION := $(call version_part,MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME := libwmproxy.so.$(shell sed -n 's/^\#define WMP_ABI_VERSION //p' include/wmproxy.h)

WARNINGS := -Wall -Wextra -Wpedantic $(if $(CI),-Werror)
SWIFT_WARNINGS := $(if $(CI),-Xswiftc -warnings-as-errors)

# What a machine needs beside Swift: to build, then to test.
PACKAGES := gcc g++ libssl-dev libyaml-dev make pkg-config curl python3 python3-venv iproute2

# ---------------------------------------------------------------------------------------------------------- Build --

# The library carries the Swift runtime (-static-stdlib), exports the header's names alone, is found by soname, and is
# never unloaded: its threads could not survive that. These flags are here, since Package.swift may not have them.
# Exclusive access is checked at run time in every other build, that of the tests among them; here the checks would be
# three instructions of five (docs/decisions/0011).
LIBRARY_FLAGS := -Xswiftc -enforce-exclusivity=unchecked -Xswiftc -static-stdlib -Xswiftc -no-toolchain-stdlib-rpath --disable-local-rpath \
    -Xlinker -soname=$(SONAME) -Xlinker -z -Xlinker nodelete -Xlinker --version-script=Sources/CWMProxy/wmproxy.map

BUILT := .build/dist/release/libwmproxy.so
LIBRARY := dist/lib/libwmproxy.so.$(VERSION)

.PHONY: build
build: dist/bin/wmproxy dist/lib/pkgconfig/wmproxy.pc dist/include/wmproxy.h ## build dist/: the library, its header, the program
	@echo "dist/ has wmproxy $(VERSION): $$(du -h --apparent-size $(LIBRARY) | cut -f1)B library, header, pkg-config file, program"

.PHONY: FORCE
FORCE:

# swift build knows best whether there is anything to do.
$(BUILT): FORCE
	@swift build -c release --product wmproxy --scratch-path .build/dist --quiet $(LIBRARY_FLAGS) $(SWIFT_WARNINGS)

$(LIBRARY): $(BUILT)
	@mkdir -p dist/lib
	@strip --strip-unneeded -o $@ $<
	@ln -sf $(notdir $@) dist/lib/$(SONAME)
	@ln -sf $(SONAME) dist/lib/libwmproxy.so

dist/include/wmproxy.h: include/wmproxy.h
	@install -D -m 644 $< $@

dist/bin/wmproxy: cli/wmproxy.c dist/include/wmproxy.h $(LIBRARY)
	@mkdir -p dist/bin
	@$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Idist/include -o $@ $< -Ldist/lib -lwmproxy -pthread -Wl,-rpath,'$$ORIGIN/../lib'

# The dist directory can be moved as a whole, so its file finds itself.
dist/lib/pkgconfig/wmproxy.pc: packaging/wmproxy.pc.in include/wmproxy.h
	@mkdir -p dist/lib/pkgconfig
	@sed -e 's|@PREFIX@|$${pcfiledir}/../..|; s|@LIBDIR@|$${prefix}/lib|; s|@INCLUDEDIR@|$${prefix}/include|' \
	    -e 's|@VERSION@|$(VERSION)|' $< >$@

.PHONY: install
install: ## install what `make build` made under PREFIX (/usr/local), staged in DESTDIR
	@test -e $(LIBRARY) || $(MAKE) build
	@install -D -m 644 $(LIBRARY) $(DESTDIR)$(LIBDIR)/libwmproxy.so.$(VERSION)
	@ln -sf libwmproxy.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	@ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libwmproxy.so
	@install -D -m 644 include/wmproxy.h $(DESTDIR)$(INCLUDEDIR)/wmproxy.h
	@mkdir -p $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(BINDIR)
	@sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
	    packaging/wmproxy.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/wmproxy.pc
	@$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Iinclude -o $(DESTDIR)$(BINDIR)/wmproxy cli/wmproxy.c -Ldist/lib -lwmproxy \
	    -pthread -Wl,-rpath,'$$ORIGIN/$(shell realpath -m --relative-to=$(BINDIR) $(LIBDIR))'
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi
	@echo "installed wmproxy $(VERSION) under $(DESTDIR)$(PREFIX)"

.PHONY: uninstall
uninstall: ## remove what install put there
	@rm -f $(DESTDIR)$(LIBDIR)/libwmproxy.so{.$(VERSION),} $(DESTDIR)$(LIBDIR)/$(SONAME) \
	    $(DESTDIR)$(LIBDIR)/pkgconfig/wmproxy.pc $(DESTDIR)$(INCLUDEDIR)/wmproxy.h $(DESTDIR)$(BINDIR)/wmproxy
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

.PHONY: deps
deps: ## install missing system packages (Debian and Ubuntu, with sudo where not root)
	@packaging/deps $(PACKAGES)

.PHONY: demo
demo: deps build ## run config/server.yaml and config/client.yaml, ask through every edge, show the answers
	@python3 examples/demo.py

.PHONY: clean
clean: ## remove everything made here
	@rm -rf .build dist

# ----------------------------------------------------------------------------------------------------------- Test --

.PHONY: test
test: build ## run all tests; the closing lines of all runners are printed again at the end
	@Tests/project/suite.sh swift c python bars examples package rules

.PHONY: test-swift test-c test-python test-bars test-examples test-package test-rules
test-swift: ## only the Swift tests
	@Tests/project/suite.sh swift
test-c test-python test-bars test-examples test-package test-rules: test-%: build ## only the C hosts; also test-python, …
	@Tests/project/suite.sh $*

.PHONY: soak
soak: build ## the bars of reliability in their long forms: 10,000 connections, 10 minutes of churn, long outages
	@WMP_SOAK=1 Tests/project/suite.sh bars

.PHONY: asan tsan
asan: ## the Swift tests and the C hosts under AddressSanitizer
	@Tests/project/sanitize.sh address
tsan: ## the same under ThreadSanitizer
	@Tests/project/sanitize.sh thread

.PHONY: fuzz
fuzz: ## fuzz every parser, SECONDS_EACH=60
	@Tests/project/fuzz.sh $(SECONDS_EACH)

.PHONY: bench
bench: build ## compare with haproxy and ssh -R: one table. ARGS=--quick
	@python3 benchmarks/bench.py $(ARGS)

SWIFT_FILES = $(shell git ls-files -co --exclude-standard -- '*.swift')

.PHONY: lint
lint: ## check format and the rules that need no build
	@swift format lint --strict --parallel $(SWIFT_FILES)
	@Tests/project/rules.sh source

.PHONY: format
format: ## format the Swift files in place
	@swift format --in-place --parallel $(SWIFT_FILES)

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z][a-z -]*):[^#]*## (.*)/\1\t\2/p' Makefile | while IFS=$$'\t' read -r targets text; do \
	    printf '  %-18s %s\n' "$${targets%% *}" "$$text"; done
