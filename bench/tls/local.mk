# What TLS costs: built on demand.
EXTRA_PROGRAMS += bench-tls
bench_tls_SOURCES = \
	bench/tls/bench-tls.c
bench_tls_LDADD = $(OPENSSL_LIBS)
