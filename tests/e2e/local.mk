# The end-to-end tests run the built daemon with real clients; script/test
# calls this for each kind of build.
check-e2e: all
	cd $(top_srcdir)/tests/e2e && FANFARE_BIN='$(abs_top_builddir)/fanfare' node --test
.PHONY: check-e2e
