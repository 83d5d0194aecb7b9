# The C header, and putting the library in place. Included by the Makefile; also stands alone:
#
#   make -f mk/install.mk install PREFIX=/usr DESTDIR=/tmp/stage LIBDIR=/usr/lib64
#
# BUILT=dir installs what is in there and builds nothing; otherwise the release is built first, if
# there is a cargo (under sudo there often is none: build as yourself before).

MAILBOAT_ROOT := $(patsubst %/mk/install.mk,%,$(abspath $(lastword $(MAKEFILE_LIST))))

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DESTDIR ?=
CARGO ?= cargo
INSTALL ?= install

# From Cargo.toml, where these facts are.
mailboat_fact = $(shell sed -n '/^\[workspace\.package\]/,/^\[workspace\.dep/s/^$(1) = "\(.*\)"$$/\1/p' \
	'$(MAILBOAT_ROOT)/Cargo.toml')
MAILBOAT_VERSION := $(call mailboat_fact,version)
MAILBOAT_SONAME := $(shell cat '$(MAILBOAT_ROOT)/packaging/soname')
MAILBOAT_RELEASE := $(or $(CARGO_TARGET_DIR),$(MAILBOAT_ROOT)/target)/release
MAILBOAT_FROM := $(or $(BUILT),$(MAILBOAT_RELEASE))

.PHONY: header install uninstall mailboat-release

header:
	cd '$(MAILBOAT_ROOT)' && $(CARGO) run --quiet -p mailboat-ffi --example header

mailboat-release:
	@if command -v $(CARGO) >/dev/null; then \
		cd '$(MAILBOAT_ROOT)' && $(CARGO) build --release -p mailboat-ffi; \
	elif [ -e '$(MAILBOAT_RELEASE)/libmailboat.so' ]; then \
		echo 'no $(CARGO) here: installing what is built already'; \
	else \
		echo 'no $(CARGO) here, and nothing built in $(MAILBOAT_RELEASE)' >&2; exit 1; \
	fi

install: $(if $(BUILT),,mailboat-release)
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)'
	$(INSTALL) -m 755 '$(MAILBOAT_FROM)/libmailboat.so' \
		'$(DESTDIR)$(LIBDIR)/libmailboat.so.$(MAILBOAT_VERSION)'
	ln -sf libmailboat.so.$(MAILBOAT_VERSION) '$(DESTDIR)$(LIBDIR)/$(MAILBOAT_SONAME)'
	ln -sf $(MAILBOAT_SONAME) '$(DESTDIR)$(LIBDIR)/libmailboat.so'
	$(INSTALL) -m 644 '$(MAILBOAT_FROM)/libmailboat.a' '$(DESTDIR)$(LIBDIR)/libmailboat.a'
	$(INSTALL) -m 644 '$(MAILBOAT_ROOT)/include/mailboat.h' \
		'$(MAILBOAT_ROOT)/include/mailboat.hpp' '$(DESTDIR)$(INCLUDEDIR)'
	sed -e 's|@PREFIX@|$(PREFIX)|' \
		-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
		-e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
		-e 's|@VERSION@|$(MAILBOAT_VERSION)|' \
		-e 's|@DESCRIPTION@|$(call mailboat_fact,description)|' \
		-e 's|@URL@|$(call mailboat_fact,repository)|' \
		'$(MAILBOAT_ROOT)/packaging/mailboat.pc.in' > '$(DESTDIR)$(LIBDIR)/pkgconfig/mailboat.pc'
	chmod 644 '$(DESTDIR)$(LIBDIR)/pkgconfig/mailboat.pc'
	if [ -x '$(MAILBOAT_FROM)/mailboat' ]; then \
		$(INSTALL) -d '$(DESTDIR)$(BINDIR)' && \
		$(INSTALL) -m 755 '$(MAILBOAT_FROM)/mailboat' '$(DESTDIR)$(BINDIR)/mailboat'; \
	fi
	@# So that the loader finds it, where that is in our power.
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then \
		ldconfig || true; \
	fi

uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)/libmailboat.so.$(MAILBOAT_VERSION)' \
		'$(DESTDIR)$(LIBDIR)/$(MAILBOAT_SONAME)' '$(DESTDIR)$(LIBDIR)/libmailboat.so' \
		'$(DESTDIR)$(LIBDIR)/libmailboat.a' '$(DESTDIR)$(LIBDIR)/pkgconfig/mailboat.pc' \
		'$(DESTDIR)$(INCLUDEDIR)/mailboat.h' '$(DESTDIR)$(INCLUDEDIR)/mailboat.hpp' \
		'$(DESTDIR)$(BINDIR)/mailboat'
