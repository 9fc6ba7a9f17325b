# The end-to-end tests run the built daemon with real clients; script/test
# calls this for each kind of build.
check-e2e: all
	cd $(top_srcdir)/tests/e2e && FANFARE_BIN='$(abs_top_builddir)/fanfare' node --test
.PHONY: check-e2e

# Faults below the store: preloaded into the daemon by these tests. Without the
# sanitizers' flags, since it lies below what they watch.
if WITH_TESTS
check_DATA = tests/fault/iofault.so
endif
CLEANFILES += tests/fault/iofault.so
tests/fault/iofault.so: tests/fault/iofault.c
	$(AM_V_CC)$(MKDIR_P) tests/fault && $(CC) $(STD_CFLAGS) -D_GNU_SOURCE $(WARN_CFLAGS) \
	  -O2 -fPIC -shared -o $@ $(top_srcdir)/tests/fault/iofault.c
